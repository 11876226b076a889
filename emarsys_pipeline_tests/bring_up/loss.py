"""A worker is killed in the middle of a run: the run goes on elsewhere, and nothing is lost."""

import time
from dataclasses import dataclass

from emarsys_pipeline.sandbox.process import Sandbox
from emarsys_pipeline_tests.bring_up import proof
from emarsys_pipeline_tests.bring_up.deployment import Deployment

ROOT_RUN_TAG = "dagster/root_run_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What became of a run whose worker was killed.

    Attributes:
        job: what was running.
        lost: the worker that was killed.
        ended_after: seconds until Dagster knew it.
        took_over: the worker that repeated the run.
        arrived: values that are new in Emarsys.
    """

    job: str
    lost: str
    ended_after: float
    took_over: str
    arrived: set[str | None]


def lose_a_worker(deployment: Deployment, sandbox: Sandbox) -> Loss:
    """Kill the worker that takes people's consent to Emarsys, while it does."""
    before = proof.opt_ins(sandbox)
    known = {run.run_id for run in proof.runs(deployment)}
    proof.decide(deployment, sandbox)

    def started() -> tuple[proof.Run, str] | None:
        for run in proof.runs(deployment):
            worker = run.worker(deployment)
            if run.run_id not in known and run.status == "STARTED" and worker is not None:
                return run, worker
        return None

    run, lost = deployment.wait_for("started run", started, seconds=120)
    deployment.machine.kill(lost)
    killed_at = time.monotonic()

    def ended() -> bool:
        return {each.run_id: each.status for each in proof.runs(deployment)}[
            run.run_id
        ] == "FAILURE"

    deployment.wait_for("end of the lost run", ended, seconds=180)
    ended_after = time.monotonic() - killed_at

    def repeated() -> str | None:
        for each in proof.runs(deployment):
            is_repetition = each.tags.get(ROOT_RUN_TAG) == run.run_id
            if is_repetition and each.status == "SUCCESS":
                return each.worker(deployment)
        return None

    took_over = deployment.wait_for("repetition elsewhere", repeated, seconds=180)
    arrived = proof.consent_in_emarsys(deployment, sandbox, before=before, seconds=180)
    return Loss(
        job=run.job, lost=lost, ended_after=ended_after, took_over=took_over, arrived=arrived
    )
