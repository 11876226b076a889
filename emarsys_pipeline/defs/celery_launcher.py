"""Runs on Celery workers, with an eye on whether the worker still lives; of the extra ``scale``.

Named in ``deploy/dagster.yaml``. Needs the packages of that extra, so nothing else imports it.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG

# A worker answers in milliseconds, also while it runs something.
ANSWER_SECONDS = 4.0
QUESTIONS = 3


class WatchedCeleryRunLauncher(CeleryRunLauncher):
    """dagster-celery's launcher, which also notices that a worker is gone.

    The result backend keeps saying ``STARTED`` of a task whose worker was killed or lost its power,
    so Dagster would believe until ``max_runtime_seconds`` that the run is on its way. This one asks
    the worker itself whether it has the task; run monitoring then ends the run, and run retries
    start it again on another worker.
    """

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """What Dagster's run monitoring asks about each started run."""
        reported = super().check_run_worker_health(run)
        if reported.status is not WorkerStatus.RUNNING:
            return reported
        task_id = run.tags[DAGSTER_CELERY_TASK_ID_TAG]
        worker = self._worker_of(task_id)
        if worker is None or self._has_task(worker, task_id):
            return reported
        # It may have ended while the worker was asked.
        again = super().check_run_worker_health(run)
        if again.status is not WorkerStatus.RUNNING:
            return again
        return CheckRunHealthResult(
            WorkerStatus.NOT_FOUND,
            f"the worker {worker} is gone, or has started anew and no longer has this run",
        )

    def _worker_of(self, task_id: str) -> str | None:
        started: Mapping[str, Any] | object = self.celery.AsyncResult(task_id).info
        return started.get("hostname") if isinstance(started, Mapping) else None

    def _has_task(self, worker: str, task_id: str) -> bool:
        for _ in range(QUESTIONS):
            asked = self.celery.control.inspect(destination=[worker], timeout=ANSWER_SECONDS)
            answers = asked.query_task(task_id)
            if answers is not None:
                return task_id in answers.get(worker, {})
        return False
