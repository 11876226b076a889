"""What a deployment that was brought up must do, watched from outside."""

import hashlib
import hmac
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from emarsys_pipeline.sandbox.process import Sandbox
from emarsys_pipeline_tests.bring_up.deployment import PLATFORM_SECRET, Deployment

OPT_IN_FIELD = "10500"
# Some of them are in the imported segment.
PEOPLE = 20
TASK_TAG = "dagster-celery/task_id"

RUNS = """
query Runs {
  runsOrError(limit: 100) {
    ... on Runs { results { runId jobName status tags { key value } } }
  }
}
"""


def windows_of_a_minute(now: datetime) -> tuple[tuple[str, str], ...]:
    """Edits of the settings that make a scheduled import come within a minute, again and again."""
    start = now.replace(second=0, microsecond=0) - timedelta(minutes=2)
    return (
        (
            "start: 2026-01-01T00:00:00Z",
            f"start: {start:%Y-%m-%dT%H:%M:%SZ}\n  length_minutes: 1\n  delay_minutes: 0",
        ),
        (
            "webhooks:",
            "imports: {catalogue_interval_seconds: 5, export_poll_seconds: 0.1}\n"
            "pushes: {sensor_interval_seconds: 5}\n\nwebhooks:",
        ),
    )


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


def scheduled_import(deployment: Deployment, *, seconds: float) -> tuple[Run, str]:
    """Wait for an import that the schedule started and a worker carried out."""

    def look() -> tuple[Run, str] | None:
        for run in runs(deployment):
            worker = run.worker(deployment)
            is_scheduled = run.tags.get("dagster/schedule_name") == "segment_import_schedule"
            if is_scheduled and run.status == "SUCCESS" and worker is not None:
                return run, worker
        return None

    return deployment.wait_for("scheduled import on a worker", look, seconds=seconds)


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


def now() -> datetime:
    """The time of this machine."""
    return datetime.now(UTC)
