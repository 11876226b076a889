"""``python -m emarsys_pipeline_tests.bring_up``: what ``docs/deploy.md`` says, done and told."""

import argparse
import contextlib
import tempfile
import time
from collections import Counter
from pathlib import Path

from emarsys_pipeline.sandbox.process import running_sandbox
from emarsys_pipeline_tests.bring_up import proof
from emarsys_pipeline_tests.bring_up.deployment import Operator, brought_up, this_program
from emarsys_pipeline_tests.bring_up.loss import lose_a_worker
from emarsys_pipeline_tests.bring_up.machine import Machine
from emarsys_pipeline_tests.bring_up.servers import running_servers


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m emarsys_pipeline_tests.bring_up")
    parser.add_argument(
        "--install", action="store_true", help="install the program too, as the page says"
    )
    parser.add_argument("--keep", action="store_true", help="leave everything running until Ctrl-C")
    parser.add_argument(
        "--lose-a-worker", action="store_true", help="kill a worker in the middle of a run as well"
    )
    arguments = parser.parse_args()
    started = time.monotonic()

    def tell(text: str) -> None:
        print(f"{time.monotonic() - started:6.1f} s  {text}", flush=True)  # noqa: T201 - its output

    with contextlib.ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="bring-up-")))
        machine = Machine(
            root=folder / "machine",
            program=folder / "opt" if arguments.install else this_program(),
        )
        tell("start PostgreSQL, Redis and an S3 server")
        servers = running.enter_context(running_servers(folder / "servers"))
        sandbox = running.enter_context(running_sandbox(contacts=300))
        tick = proof.next_tick()
        operator = Operator(
            machine=machine,
            servers=servers,
            sandbox=sandbox,
            settings=proof.settings_for(tick),
            installs=arguments.install,
        )
        deployment = running.enter_context(brought_up(operator, tell=tell))
        run, worker = proof.scheduled_import(deployment, tick)
        tell(f"scheduled import of window {run.tags['window']} succeeded on {worker}")
        before = proof.opt_ins(sandbox)
        proof.decide(deployment, sandbox)
        tell(f"consent of {proof.PEOPLE} people was taken by the webhook receiver")
        values = proof.consent_in_emarsys(deployment, sandbox, before=before, seconds=180)
        tell(f"values that are new in Emarsys: {values}")
        stored = proof.stored(deployment)
        tell(
            f"contacts in the lake: {len(stored.contacts)}, in the segment: {len(stored.members)}, "
            f"the same: {stored.contacts == stored.members}; Parquet files: {stored.files}"
        )
        finished = [each for each in proof.runs(deployment) if each.status == "SUCCESS"]
        spread = Counter(each.worker(deployment) or "?" for each in finished)
        tell(f"successful runs by worker: {dict(sorted(spread.items()))}")
        if arguments.lose_a_worker:
            loss = lose_a_worker(deployment, sandbox)
            tell(
                f"{loss.lost} killed during {loss.job}: its end was seen after "
                f"{loss.ended_after:.0f} s, {loss.took_over} repeated it; new in Emarsys: "
                f"{loss.arrived}"
            )
        if arguments.keep:
            tell(
                f"UI: {deployment.ui_url}   webhooks: {deployment.webhooks_url}   folder: {folder}"
            )
            with contextlib.suppress(KeyboardInterrupt):
                while True:
                    time.sleep(3600)


if __name__ == "__main__":
    main()
