"""What a deployment that was brought up must do, watched from outside."""

import hashlib
import hmac
import json
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
import requests

from emarsys_pipeline.connect import connect
from emarsys_pipeline.sandbox.process import Sandbox
from emarsys_pipeline.settings import load_settings
from emarsys_pipeline.storage import open_warehouse, rate_limits
from emarsys_pipeline_tests.bring_up.deployment import PLATFORM_SECRET, SETTINGS, Deployment

OPT_IN_FIELD = "10500"
# Some of them are in the imported segment.
PEOPLE = 20
# From the edit of the settings until the schedule sees the segment; on a slow machine it misses
# its first tick, and gets another one.
BRING_UP = timedelta(seconds=50)
RESTART = timedelta(seconds=30)
TICKS = 4
TASK_TAG = "dagster-celery/task_id"

RUNS = """
query Runs {
  runsOrError(limit: 100) {
    ... on Runs { results { runId jobName status tags { key value } } }
  }
}
"""


def settings_for(tick: datetime) -> tuple[tuple[str, str], ...]:
    """Edits of the settings that make the schedule import the last full hour at this minute."""
    start = (tick - timedelta(hours=2)).replace(minute=0, second=0, microsecond=0)
    return _windows(start, length_minutes=60, delay_minutes=tick.minute)


def windows_of_a_minute(now: datetime) -> tuple[tuple[str, str], ...]:
    """Edits of the settings that make a window end, and its import be due, every minute."""
    start = now.replace(second=0, microsecond=0) - timedelta(minutes=2)
    return _windows(start, length_minutes=1, delay_minutes=0)


def _windows(
    start: datetime, *, length_minutes: int, delay_minutes: int
) -> tuple[tuple[str, str], ...]:
    return (
        (
            "start: 2026-01-01T00:00:00Z",
            f"start: {start:%Y-%m-%dT%H:%M:%SZ}\n  length_minutes: {length_minutes}\n"
            f"  delay_minutes: {delay_minutes}",
        ),
        (
            "imports:\n",
            "pushes: {sensor_interval_seconds: 5}\n"
            "imports:\n  catalogue_interval_seconds: 5\n  export_poll_seconds: 0.1\n",
        ),
    )


def next_tick(after: timedelta = BRING_UP) -> datetime:
    """The first full minute so long from now."""
    later = datetime.now(UTC) + after + timedelta(minutes=1)
    return later.replace(second=0, microsecond=0)


@dataclass(frozen=True, slots=True)
class Run:
    """A run, and the worker that executed it."""

    run_id: str
    job: str
    status: str
    tags: dict[str, str]

    def worker(self, deployment: Deployment) -> str | None:
        """The unit whose log says that it received the run's task; None while none has."""
        task = self.tags.get(TASK_TAG)
        for unit in deployment.machine.processes:
            if "-worker@" not in unit or task is None:
                continue
            log = deployment.machine.log(unit).read_text()
            if re.search(rf"Task execute_job\[{re.escape(task)}\] received", log):
                return unit
        return None


def runs(deployment: Deployment) -> list[Run]:
    """All runs, newest first."""
    return [
        Run(
            found["runId"],
            found["jobName"],
            found["status"],
            {tag["key"]: tag["value"] for tag in found["tags"]},
        )
        for found in deployment.query(RUNS)["runsOrError"]["results"]
    ]


def scheduled_import(deployment: Deployment, tick: datetime) -> tuple[Run, str]:
    """Wait for an import that the schedule started and a worker carried out."""
    for _ in range(TICKS):

        def is_over(tick: datetime = tick) -> bool:
            return datetime.now(UTC) > tick + RESTART or bool(_scheduled(deployment))

        deployment.wait_for("tick", is_over, seconds=180)
        if _scheduled(deployment):
            break
        tick = next_tick(RESTART * 2)
        change_tick(deployment, tick)

    def look() -> tuple[Run, str] | None:
        for run in _scheduled(deployment):
            worker = run.worker(deployment)
            if run.status == "SUCCESS" and worker is not None:
                return run, worker
        return None

    return deployment.wait_for("scheduled import on a worker", look, seconds=180)


def change_tick(deployment: Deployment, tick: datetime) -> None:
    """Change the settings and restart the code server, as the page says."""
    path = deployment.machine.path(SETTINGS)
    text = re.sub(r"delay_minutes: \d+", f"delay_minutes: {tick.minute}", path.read_text())
    path.write_text(text)
    deployment.machine.stop("emarsys-pipeline-code")
    deployment.machine.start("emarsys-pipeline-code")


def _scheduled(deployment: Deployment) -> list[Run]:
    return [
        run
        for run in runs(deployment)
        if run.tags.get("dagster/schedule_name") == "segment_import_schedule"
    ]


def decide(deployment: Deployment, sandbox: Sandbox) -> None:
    """Let some people grant consent, and the messaging platform send it, signed."""
    events = sandbox.decide("granted", count=PEOPLE)
    assert send(deployment, events[0], secret="of somebody else").status_code == 401
    for event in events:
        reply = send(deployment, event, secret=PLATFORM_SECRET)
        assert reply.ok, reply.text


def send(deployment: Deployment, event: Any, *, secret: str) -> requests.Response:
    """One webhook call."""
    body = json.dumps(event).encode()
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return requests.post(
        f"{deployment.webhooks_url}/webhooks/platform/consent",
        data=body,
        headers={"content-type": "application/json", "x-signature": f"sha256={digest}"},
        timeout=30,
    )


def opt_ins(sandbox: Sandbox) -> dict[str, str | None]:
    """The opt-in field of each contact that has one, as Emarsys shows it."""
    return sandbox.field_values(OPT_IN_FIELD, only_set=True)


def consent_in_emarsys(
    deployment: Deployment, sandbox: Sandbox, *, before: dict[str, str | None], seconds: float
) -> set[str | None]:
    """Wait until decisions that came by webhook stand in Emarsys; the values that are new."""

    def look() -> set[str | None]:
        return set(dict(opt_ins(sandbox).items() - before.items()).values())

    return deployment.wait_for("new value in Emarsys", look, seconds=seconds)


@dataclass(frozen=True, slots=True)
class Stored:
    """What the lake holds, beside what it should.

    Attributes:
        contacts: ids of contacts in the lake's newest state, as analysts see it.
        members: those of the imported segment in Emarsys.
        files: Parquet files in the bucket.
    """

    contacts: set[str]
    members: set[str]
    files: int


def stored(deployment: Deployment) -> Stored:
    """Look into the lake, the bucket and Emarsys."""
    environment = deployment.machine.environment()
    with mock.patch.dict(os.environ, environment):
        settings = load_settings(Path(environment["EMARSYS_PIPELINE_CONFIG"]))
        (account,) = settings.accounts
        with open_warehouse(settings).read_published(schema="main") as connection:
            contacts = connection.execute("select contact_id from contacts").fetchall()
        with connect(account, rate_limit=rate_limits(settings)) as client:
            pages = list(client.segment_contact_ids(account.segments[0].id or ""))
        store = boto3.client("s3", endpoint_url=environment["EMARSYS_PIPELINE_S3_URL"])
        bucket = environment["EMARSYS_PIPELINE_BUCKET"]
        listed = store.list_objects_v2(Bucket=bucket, Prefix="lake/")["Contents"]
    return Stored(
        contacts={contact for (contact,) in contacts},
        members={contact for page in pages for contact in page},
        files=sum(entry["Key"].endswith(".parquet") for entry in listed),
    )
