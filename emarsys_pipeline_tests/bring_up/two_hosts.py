"""Two hosts that share no files work together, and one of them is lost in the middle of a run.

    python -m emarsys_pipeline_tests.bring_up.two_hosts

Needs to be root, for network namespaces. Servers, code server, daemon and UI run here; a worker
runs on each of two hosts with its own address, host name and files (``hosts.py``), which reach
PostgreSQL, Redis and the S3 server over a bridge. Runs of two accounts and of different windows
execute at the same time on different hosts. Then a host's worker is killed with SIGKILL in the
middle of a run, while people decide. The exit code is 1 unless the run is repeated on the other
host, every decision stands in Emarsys, and the lake holds every import once.
"""

import contextlib
import json
import re
import signal
import sys
import tempfile
import time
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
    PLATFORM_SECRET,
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
SLOW_SECONDS = 1.5
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


def work_at_the_same_time(lab: Laboratory) -> Window:
    """Runs of different accounts and windows, on different hosts, in one and the same moment."""
    first = lab.closed_window(None)
    lab.wait_for(
        "first import", lambda: [run for run in lab.runs().values() if run.status == "SUCCESS"]
    )
    lab.tell("both accounts were imported")
    lab.sandbox.set_fault("slow_answer", "*", times=None, wait_seconds=SLOW_SECONDS)
    last = first
    for _ in range(4):
        earlier = lab.closed_window(last)
        last = lab.closed_window(earlier)
        launched = [lab.launch("shop_de", earlier), lab.launch("shop_at", last)]
        one, other = lab.ended(*launched)
        hosts = [lab.host_of(one), lab.host_of(other)]
        together = min(one.ended_at, other.ended_at) - max(one.started_at, other.started_at)
        lab.tell(
            f"shop_de in {earlier.key} on {hosts[0]}, shop_at in {last.key} on {hosts[1]}:"
            f" {max(together, 0):.1f} s at the same time"
        )
        if together > 0 and len(set(hosts)) == len(hosts):
            return last
    raise AssertionError("no two runs were executed at the same time on different hosts")


def lose_a_host(lab: Laboratory, last: Window) -> None:
    """Kill a worker in the middle of a run; the run is repeated on the other host."""
    earlier = lab.closed_window(last)
    launched = [lab.launch(account, earlier) for account in ACCOUNTS]

    def in_the_middle() -> tuple[Run, str] | None:
        for run_id in launched:
            run = lab.runs().get(run_id)
            host = None if run is None else lab.host_of(run)
            if run is not None and run.status == "STARTED" and host is not None:
                return run, host
        return None

    run, host = lab.wait_for("run in the middle", in_the_middle)
    events = lab.sandbox.decide("granted", count=proof.PEOPLE)
    for number, event in enumerate(events):
        if number == len(events) // 2:
            lab.workers[host].kill(WORKER)
            killed_at = time.time()
        assert proof.send(lab.deployment, event, secret=PLATFORM_SECRET).ok
    lab.tell(f"killed the worker of {host} in the middle of run {run.run_id[:8]}")

    def repeated() -> Run | None:
        for each in lab.runs().values():
            is_ours = each.tags.get("dagster/root_run_id") == run.run_id
            if is_ours and each.run_id != run.run_id and each.status == "SUCCESS":
                return each
        return None

    again: Run = lab.wait_for("repeated run", repeated)
    assert lab.runs()[run.run_id].status == "FAILURE"
    other = lab.host_of(again)
    assert other is not None
    assert other != host
    lab.tell(f"repeated on {other}, done {time.time() - killed_at:.0f} s after the kill")
    lab.sandbox.clear_faults()
    others = [each for each in launched if each != run.run_id]
    _await_success(lab, others)
    _await_consent(lab, {event["event_id"] for event in events})


def _await_consent(lab: Laboratory, sent: set[str]) -> None:
    """Wait until each decision is in the ledger, once, and what follows from it in Emarsys."""

    def decided() -> list[str]:
        rows = lab.ask("select event_id from consent_history where step = 'decision'")
        return [row["event_id"] for row in rows if row["event_id"] in sent]

    kept = lab.wait_for("all decisions", lambda: len(found := decided()) >= len(sent) and found)
    assert sorted(kept) == sorted(sent)

    def delivered() -> dict[str, str] | None:
        rows = lab.ask("select contact_id, new_value, outcome from opt_in_deliveries")
        is_over = rows and {row["outcome"] for row in rows} <= {"accepted", "superseded"}
        values = {
            row["contact_id"]: row["new_value"] for row in rows if row["outcome"] == "accepted"
        }
        return values if is_over else None

    expected: dict[str, str] = lab.wait_for("answers to all opt-in values", delivered)
    held = proof.opt_ins(lab.sandbox)
    assert {each: held.get(each) for each in expected} == expected
    lab.tell(
        f"decisions sent around the kill: {len(sent)}, each once in the ledger; opt-in values"
        f" that follow: {len(expected)}, all of them in Emarsys"
    )


def _await_success(lab: Laboratory, run_ids: list[str]) -> None:
    """Wait until each of these runs, or a repetition of it, has succeeded."""

    def look() -> bool:
        done = {
            each.tags.get("dagster/root_run_id", each.run_id)
            for each in lab.runs().values()
            if each.status == "SUCCESS"
        }
        return set(run_ids) <= done

    lab.wait_for("success of the other runs", look)


def nothing_is_lost(lab: Laboratory) -> None:
    """The lake holds each import once, and the members of each segment as Emarsys does."""
    imports = lab.ask(
        "select account, window_start, count(*) as times from segment_imports"
        " group by all order by all"
    )
    assert {row["times"] for row in imports} == {1}, imports
    held = {
        row["account"]: (row["contacts"], row["distinct_contacts"])
        for row in lab.ask(
            "select account, count(*) as contacts, count(distinct contact_id) as"
            " distinct_contacts from contacts where is_member group by account"
        )
    }
    members = {
        row["account"]: row["members"]
        for row in lab.ask(
            "select account, arg_max(members, window_start) as members from segment_imports"
            " group by account"
        )
    }
    assert held == {account: (members[account], members[account]) for account in ACCOUNTS}, held
    lab.tell(f"imports in the lake: {len(imports)}, each once; members by account: {members}")


def prove(folder: Path, tell: Callable[[str], object]) -> None:
    """All of it."""
    with laboratory(folder, tell) as lab:
        last = work_at_the_same_time(lab)
        lose_a_host(lab, last)
        nothing_is_lost(lab)
        by_host: dict[str, int] = {}
        for run in lab.runs().values():
            name = lab.host_of(run)
            if name is not None and run.status == "SUCCESS":
                by_host[name] = by_host.get(name, 0) + 1
        tell(f"successful runs by host: {dict(sorted(by_host.items()))}")


def main() -> None:
    started = time.monotonic()

    def tell(text: str) -> None:
        print(f"{time.monotonic() - started:6.1f} s  {text}", flush=True)  # noqa: T201 - its output

    # Ended from outside, it ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    with tempfile.TemporaryDirectory(prefix="two-hosts-") as folder:
        prove(Path(folder), tell)
    tell("nothing was lost")


if __name__ == "__main__":
    main()
