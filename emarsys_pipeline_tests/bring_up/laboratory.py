"""A deployment whose workers run on two hosts that share no files with it, nor with each other.

Servers, code server, daemon and UI run here; a worker runs on each host with its own address, host
name and files (``hosts.py``), which reach PostgreSQL, Redis and the S3 server over a bridge.
"""

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from emarsys_pipeline.defs.partitions import import_range_tags
from emarsys_pipeline.sandbox.process import Sandbox, running_sandbox
from emarsys_pipeline.windows import Window, WindowGrid
from emarsys_pipeline_tests.bring_up import proof
from emarsys_pipeline_tests.bring_up.deployment import (
    ENVIRONMENT,
    Deployment,
    Operator,
    brought_up,
    this_program,
)
from emarsys_pipeline_tests.bring_up.hosts import (
    BRIDGE_ADDRESS,
    TRUSTED,
    Host,
    connected_hosts,
    reached_from,
)
from emarsys_pipeline_tests.bring_up.machine import UNIT_FOLDER, Machine
from emarsys_pipeline_tests.bring_up.servers import running_servers

CONFIGURATION = ("/etc/emarsys-pipeline", UNIT_FOLDER)
DAGSTER_FILE = "/var/lib/emarsys-pipeline/dagster/dagster.yaml"
WORKER = "emarsys-pipeline-worker@1"
ACCOUNTS = {"shop_de": "100400101", "shop_at": "100400102"}
CONTACTS = 300
PATIENCE_SECONDS = 300.0

SECOND_ACCOUNT = """  - name: shop_at
    base_url: {url}
    connection:
      auth: wsse
      username: "${{EMARSYS_SHOP_DE_USERNAME}}"
      secret: "${{EMARSYS_SHOP_DE_SECRET}}"
    default_region: AT
    segments: [100400102]
    fields:
      - {{emarsys: email, as: email, identifier: email}}
      - {{emarsys: mobile, as: mobile, identifier: phone}}

webhooks:"""

RUNS = """
query Runs {
  runsOrError(limit: 200) {
    ... on Runs { results { runId jobName status startTime endTime tags { key value } } }
  }
}
"""
LAUNCH = """
mutation Launch($execution: ExecutionParams!) {
  launchRun(executionParams: $execution) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""
SCHEDULE = """
query Schedule($selector: ScheduleSelector!) {
  scheduleOrError(scheduleSelector: $selector) { ... on Schedule { scheduleState { id } } }
}
"""
STOP = """
mutation Stop($id: String!) { stopRunningSchedule(id: $id) { __typename } }
"""
PLACE = {"repositoryLocationName": "emarsys_pipeline", "repositoryName": "__repository__"}


class ControlMachine(Machine):
    """The machine of the page, which here leaves the work to the hosts."""

    def start(self, unit: str) -> None:
        """Start a unit that is no worker."""
        if "-worker@" not in unit:
            super().start(unit)


@dataclass(frozen=True, slots=True)
class Run:
    """A run as the UI knows it; times in seconds since 1970, 0 while there is none."""

    run_id: str
    status: str
    started_at: float
    ended_at: float
    tags: dict[str, str]

    @property
    def task(self) -> str | None:
        """The Celery task that is the run."""
        return self.tags.get(proof.TASK_TAG)


@dataclass
class Laboratory:
    """A deployment whose workers are on hosts of their own."""

    deployment: Deployment
    sandbox: Sandbox
    workers: dict[str, Machine]
    grid: WindowGrid
    tell: Callable[[str], object]

    def runs(self) -> dict[str, Run]:
        """All runs by id."""
        return {
            each["runId"]: Run(
                each["runId"],
                each["status"],
                each["startTime"] or 0.0,
                each["endTime"] or 0.0,
                {tag["key"]: tag["value"] for tag in each["tags"]},
            )
            for each in self.deployment.query(RUNS)["runsOrError"]["results"]
        }

    def host_of(self, run: Run) -> str | None:
        """The host whose worker says that it received the run's task."""
        if run.task is None:
            return None
        received = re.compile(rf"Task execute_job\[{re.escape(run.task)}\] received")
        for name, machine in self.workers.items():
            if received.search(machine.log(WORKER).read_text()):
                return name
        return None

    def stop_schedule(self) -> None:
        """Let nobody but this proof start imports."""
        selector = {**PLACE, "scheduleName": "segment_import_schedule"}
        found = self.deployment.query(SCHEDULE, selector=selector)["scheduleOrError"]
        self.deployment.query(STOP, id=found["scheduleState"]["id"])

    def closed_window(self, after: Window | None) -> Window:
        """Wait for a window that has ended, later than another."""

        def look() -> Window | None:
            window = self.grid.newest_closed(datetime.now(UTC))
            is_new = window is not None and (after is None or window.start > after.start)
            return window if is_new else None

        found: Window = self.wait_for("window that has ended", look)
        return found

    def launch(self, account: str, window: Window) -> str:
        """Start an import of an account's segment in a window, as the UI does; the run's id."""
        tags = import_range_tags([f"{account}-{ACCOUNTS[account]}"], window)
        execution = {
            "selector": {**PLACE, "jobName": "segment_import"},
            "executionMetadata": {
                "tags": [{"key": key, "value": value} for key, value in tags.items()]
            },
        }
        answer = self.deployment.query(LAUNCH, execution=execution)["launchRun"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["runId"])

    def wait_for(
        self, what: str, look: Callable[[], Any], seconds: float = PATIENCE_SECONDS
    ) -> Any:
        """Look again and again; the message of a failure holds the workers' logs."""
        try:
            return self.deployment.wait_for(what, look, seconds=seconds)
        except AssertionError as error:
            logs = "\n".join(machine.logs() for machine in self.workers.values())
            raise AssertionError(f"{error}\n{logs}") from None

    def ended(self, *run_ids: str) -> list[Run]:
        """Wait until these runs have ended well."""

        def look() -> list[Run] | None:
            runs = self.runs()
            found = [runs[run_id] for run_id in run_ids if run_id in runs]
            assert not [run for run in found if run.status in ("FAILURE", "CANCELED")], found
            is_over = len(found) == len(run_ids) and {run.status for run in found} == {"SUCCESS"}
            return found if is_over else None

        return list(self.wait_for("success of the runs", look))

    def ask(self, sql: str) -> list[dict[str, Any]]:
        """Rows of the lake, as analysts ask for them."""
        return list(json.loads(self.deployment.run_on_machine("query", sql, "--json")))


@contextlib.contextmanager
def laboratory(folder: Path, tell: Callable[[str], object]) -> Iterator[Laboratory]:
    """Bring it all up by the page, with the workers on two hosts."""
    start = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=3)
    with contextlib.ExitStack() as running:
        hosts = running.enter_context(connected_hosts(folder / "hosts", ["hosta", "hostb"]))
        for host in hosts:
            address = host.run("hostname", "-I").strip()
            tell(f"{host.name}: address {address}, sees of the folder: {_seen(host)}")
        servers = running.enter_context(
            running_servers(folder / "servers", host=BRIDGE_ADDRESS, trusted=TRUSTED)
        )
        sandbox = running.enter_context(running_sandbox(contacts=CONTACTS))
        port = urlsplit(sandbox.url).port
        assert port is not None
        running.enter_context(reached_from(hosts, port))
        control = ControlMachine(root=folder / "control", program=this_program())
        operator = Operator(
            machine=control,
            servers=servers,
            sandbox=sandbox,
            settings=(
                ("webhooks:", SECOND_ACCOUNT.format(url=sandbox.url)),
                *proof.windows_of_a_minute(start + timedelta(minutes=2)),
            ),
        )
        deployment = running.enter_context(brought_up(operator))
        grid = WindowGrid(start, 1)
        workers = {host.name: _worker(control, host) for host in hosts}
        laboratory = Laboratory(deployment, sandbox, workers, grid, tell)
        laboratory.stop_schedule()
        for machine in workers.values():
            running.callback(machine.kill_all)
            machine.start(WORKER)
        yield laboratory


def _seen(host: Host) -> list[str]:
    return host.run("find", str(host.folder.parent.parent), "-mindepth", "1").split()


def _worker(control: Machine, host: Host) -> Machine:
    """A machine with the files of the page, one slot, and nothing of the control machine."""
    machine = Machine(root=host.folder, program=control.program, within=host.within, host=host.name)
    files = [
        *(each for folder in CONFIGURATION for each in control.path(folder).rglob("*")),
        control.path(DAGSTER_FILE),
    ]
    for path in filter(Path.is_file, files):
        copy = host.folder / path.relative_to(control.root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text(encoding="utf-8")
        copy.write_text(text.replace(str(control.root), str(host.folder)), encoding="utf-8")
    path = machine.path(ENVIRONMENT)
    text = path.read_text(encoding="utf-8")
    slots = re.sub(r"(?m)^(EMARSYS_PIPELINE_WORKER_SLOTS=).*$", r"\g<1>1", text)
    path.write_text(slots, encoding="utf-8")
    return machine
