"""Where a drill takes place: sandbox, warehouse, settings file, webhook service, workers."""

import contextlib
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

import requests

from emarsys_pipeline import storage
from emarsys_pipeline.sandbox.process import Sandbox
from emarsys_pipeline.settings import Settings, load_settings
from emarsys_pipeline.warehouse import Warehouse
from emarsys_pipeline.warehouse.columns import ensure_property_columns
from emarsys_pipeline_tests.builders import add_contact
from emarsys_pipeline_tests.drills import worker
from emarsys_pipeline_tests.drills.checks import EMAIL, FIELD
from emarsys_pipeline_tests.drills.people import FIRST, SECRET, Person
from emarsys_pipeline_tests.locks import end_holders
from emarsys_pipeline_tests.postgresql import PostgresServer
from emarsys_pipeline_tests.stages.deciding import add_field, stitch

START_SECONDS, QUIET_SECONDS = 60.0, 90.0
# Every fifth person has two contacts; the last ones were deleted in Emarsys since the import.
DELETED = 3

SETTINGS = """
home: {home}
windows: {{start: {start}}}
accounts:
  - name: shop_de
    base_url: {url}
    connection:
      auth: oauth2
      client_id: ${{DRILL_CLIENT_ID}}
      client_secret: ${{DRILL_CLIENT_SECRET}}
      token_url: {token_url}
    default_region: DE
    segments: [100400101]
    fields:
      - {{emarsys: email, as: email, identifier: email}}
      - {{emarsys: mobile, as: mobile, identifier: phone}}
    opt_in: {{field: "{field}", create_missing_contacts: true}}
pushes: {{batch_size: 7, settle_after_seconds: 2, retry_base_seconds: 0.2, max_attempts: 12}}
publish: {{min_interval_seconds: 2}}
webhooks: {{port: {port}, platform_secret: "${{DRILL_PLATFORM_SECRET}}"}}
"""
VARIABLES = (
    "DRILL_CLIENT_ID",
    "DRILL_CLIENT_SECRET",
    "DRILL_PLATFORM_SECRET",
    "DRILL_CATALOG",
)
LAKE = """
lake: {{catalog: "${{DRILL_CATALOG}}", data_path: {folder}/lake/}}
"""


def _context() -> ForkServerContext:
    """Processes that start from one that has imported everything: in milliseconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([worker.__name__])
    return context


@dataclass
class Stage:
    """Everything that a drill drives."""

    sandbox: Sandbox
    folder: Path
    port: int
    settings: Settings
    warehouse: Warehouse
    people: list[Person]
    database: PostgresServer | None = None
    service: "subprocess.Popen[bytes] | None" = None
    context: ForkServerContext = field(default_factory=_context)
    workers: list[ForkServerProcess] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where the platform sends consent."""
        return f"http://127.0.0.1:{self.port}/webhooks/platform/consent"

    @property
    def settings_path(self) -> Path:
        """The settings file that service and workers read."""
        return self.folder / "emarsys_pipeline.yaml"

    def start_service(self) -> None:
        """Run ``emarsys-pipeline webhooks`` and wait until it answers."""
        command = [sys.executable, "-m", "emarsys_pipeline", "webhooks"]
        log = (self.folder / "webhooks.log").open("ab")
        with log:
            self.service = subprocess.Popen(  # noqa: S603 - our own command
                [*command, "--config", str(self.settings_path)], stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(requests.ConnectionError):
                if requests.get(f"http://127.0.0.1:{self.port}/healthz", timeout=5).ok:
                    return
            time.sleep(0.05)
        raise TimeoutError("the webhook service does not answer")

    def kill_service(self) -> None:
        """End it as a power cut would."""
        if self.service is not None:
            self.service.send_signal(signal.SIGKILL)
            self.service.wait()

    def crash_database(self, seconds: float) -> None:
        """End it as a power cut would, and start it again after a while."""
        assert self.database is not None
        self.database.stop("immediate")
        time.sleep(seconds)
        self.database.start()

    def end_push_sessions(self) -> int:
        """Let the database end the sessions that hold push locks; how many it did."""
        assert self.settings.lake is not None
        return sum(
            end_holders(
                self.settings.lake.catalog.reveal(),
                self.settings.lake.schema_name,
                f"push-{account.name}",
            )
            for account in self.settings.accounts
        )

    def start_worker(
        self,
        stop: Path | None,
        point: str | None = None,
        hits: int = 1,
        *,
        survives_outages: bool = False,
    ) -> None:
        """Start one more worker, which dies where it is told to."""
        process = self.context.Process(
            target=worker.work,
            args=(self.settings_path, stop, point, hits),
            kwargs={
                "environment": {name: os.environ[name] for name in VARIABLES if name in os.environ},
                "survives_outages": survives_outages,
            },
        )
        process.start()
        self.workers.append(process)

    def wait_for_workers(self) -> None:
        """Return once every worker has begun, or has died already."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if all(
                each.exitcode is not None or (self.folder / f"ready-{each.pid}").exists()
                for each in self.workers
            ):
                return
            time.sleep(0.02)
        raise TimeoutError("the workers do not start")

    def kill_worker(self, number: int) -> None:
        """End a worker wherever it is."""
        process = self.workers[number]
        if process.pid is not None and process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
            process.join()

    def replace_dead(self, stop: Path, *, survives_outages: bool = False) -> int:
        """Start a worker for each that was killed; how many were."""
        dead = [each for each in self.workers if each.exitcode is not None]
        for each in dead:
            if each.exitcode != -signal.SIGKILL:
                raise RuntimeError(f"a worker ended by itself with {each.exitcode}")
            self.workers.remove(each)
            self.start_worker(stop, survives_outages=survives_outages)
        return len(dead)

    def end_workers(self) -> int:
        """Wait for all workers, which have been told to stop; how many were killed instead."""
        for each in self.workers:
            each.join(QUIET_SECONDS)
        codes = [each.exitcode for each in self.workers]
        if set(codes) - {0, -signal.SIGKILL}:
            raise RuntimeError(f"workers ended with {codes}")
        self.workers.clear()
        return sum(code == -signal.SIGKILL for code in codes)

    def come_to_rest(self) -> None:
        """Let one worker finish everything that is left to do."""
        self.start_worker(None)
        if self.end_workers():
            raise RuntimeError("the last worker was killed")


@contextlib.contextmanager
def prepared(
    sandbox: Sandbox, folder: Path, size: int, database: PostgresServer | None = None
) -> Iterator[Stage]:
    """A warehouse with ``size`` imported people, and the webhook service before it.

    Args:
        sandbox: with enough contacts.
        folder: for everything.
        size: how many people.
        database: for a lake, its inbox and its rate limits; None for files.
    """
    os.environ.update(
        DRILL_CLIENT_ID=sandbox.client_id,
        DRILL_CLIENT_SECRET=sandbox.client_secret,
        DRILL_PLATFORM_SECRET=SECRET,
    )
    port = _free_port()
    path = folder / "emarsys_pipeline.yaml"
    path.write_text(
        SETTINGS.format(
            home=folder / "home",
            start=f"{FIRST:%Y-%m-%dT%H:%M:%SZ}",
            url=sandbox.url,
            token_url=sandbox.token_url,
            field=FIELD,
            port=port,
        )
        + ("" if database is None else LAKE.format(folder=folder))
    )
    if database is not None:
        os.environ["DRILL_CATALOG"] = database.address()
    settings = load_settings(path)
    storage.deploy(settings)
    warehouse = storage.open_warehouse(settings)
    stage = Stage(sandbox, folder, port, settings, warehouse, _people(sandbox, size), database)
    _import(stage)
    try:
        stage.start_service()
        yield stage
    finally:
        for number in range(len(stage.workers)):
            stage.kill_worker(number)
        stage.kill_service()


def _people(sandbox: Sandbox, size: int) -> list[Person]:
    contact_ids = iter(sorted(sandbox.field_values(FIELD)))
    people = []
    for number in range(size):
        count = 2 if number % 5 == 0 else 1
        chosen = tuple(next(contact_ids) for _ in range(count))
        people.append(Person(f"p{number}", f"+49151{number:08d}", chosen))
    people += [
        Person(
            f"deleted{number}",
            f"+49152{number:08d}",
            (str(990_000_000 + number),),
            f"deleted{number}@example.org",
        )
        for number in range(DELETED)
    ]
    return people


def _import(stage: Stage) -> None:
    emptied = [each for person in stage.people if not person.address for each in person.contact_ids]
    stage.sandbox.import_silently({each: {FIELD: ""} for each in emptied})
    add_field(stage.warehouse, FIELD)
    add_field(stage.warehouse, EMAIL, name="Email", string_id="email")
    add_field(stage.warehouse, "37", name="Mobile", string_id="mobile")
    with stage.warehouse.write() as connection:
        ensure_property_columns(connection, {"email": "varchar", "mobile": "varchar"})
        for person in stage.people:
            for each in person.contact_ids:
                addresses = [person.address] if person.address else []
                add_contact(connection, each, phones=[person.phone], emails=addresses)
        connection.execute("update current_contacts set email = email_addresses[1]")
    stitch(stage.warehouse)


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
