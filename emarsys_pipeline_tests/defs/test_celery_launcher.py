"""What the launcher says of a started run whose worker does, or does not, have it any more."""

import uuid
from typing import Any

import dagster as dg
import pytest
from dagster._core.launcher import WorkerStatus

from emarsys_pipeline.defs import celery_launcher
from emarsys_pipeline.defs.celery_launcher import WatchedCeleryRunLauncher

WORKER = "worker-1@host"
HAS_IT, HAS_IT_NOT, IS_SILENT = "has it", "has it not", "is silent"


class _Inspection:
    """What workers answer; None when none does in time."""

    def __init__(self, answers: dict[str, Any] | None) -> None:
        self._answers = answers

    def query_task(self, _task_id: str) -> dict[str, Any] | None:
        return self._answers


@pytest.mark.parametrize(
    ("state", "worker", "status", "questions"),
    [
        ("SUCCESS", IS_SILENT, WorkerStatus.SUCCESS, 0),
        ("STARTED", HAS_IT, WorkerStatus.RUNNING, 1),
        ("STARTED", HAS_IT_NOT, WorkerStatus.NOT_FOUND, 1),
        ("STARTED", IS_SILENT, WorkerStatus.NOT_FOUND, celery_launcher.QUESTIONS),
    ],
    ids=["done", "at work", "worker started anew", "worker gone"],
)
def test_a_run_is_lost_when_its_worker_does_not_have_it(
    state: str,
    worker: str,
    status: WorkerStatus,
    questions: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Results in memory outlive a test.
    task = str(uuid.uuid4())
    answers: dict[str, dict[str, Any] | None] = {
        HAS_IT: {WORKER: {task: ["active", {}]}},
        HAS_IT_NOT: {WORKER: {}},
        IS_SILENT: None,
    }
    launcher = WatchedCeleryRunLauncher(
        default_queue="dagster", broker="memory://", backend="cache+memory://"
    )
    launcher.celery.backend.store_result(task, {"hostname": WORKER, "pid": 1}, state)
    asked = []

    def inspect(*, destination: list[str], timeout: float) -> _Inspection:
        asked.append((*destination, timeout))
        return _Inspection(answers[worker])

    monkeypatch.setattr(launcher.celery.control, "inspect", inspect)
    run = dg.DagsterRun("job", run_id=str(uuid.uuid4()), tags={"dagster-celery/task_id": task})

    found = launcher.check_run_worker_health(run)

    assert found.status is status
    assert asked == [(WORKER, celery_launcher.ANSWER_SECONDS)] * questions
