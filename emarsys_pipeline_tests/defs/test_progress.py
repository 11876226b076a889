import logging

import dagster as dg
import pytest

from emarsys_pipeline.defs.progress import listening, log_progress
from emarsys_pipeline_tests.defs.running import QUIET

Told = tuple[str, int, int | None]


def test_a_line_is_written_every_few_seconds_and_at_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    moments = iter([0.0, 4.9, 5.0, 6.0])
    progress = log_progress(logging.getLogger("test"), clock=lambda: next(moments))

    for done in (1, 2, 3, 4):
        progress("download", done, 4)

    assert caplog.messages == ["download: 3 of 4", "download: 4 of 4"]


def test_a_listener_in_the_same_process_hears_every_step_of_a_run() -> None:
    told: list[Told] = []

    @dg.asset
    def contacts(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        progress = log_progress(context.log)
        progress("load", 1, 2)
        progress("load", 2, 2)
        return dg.MaterializeResult()

    def listen(name: str, done: int, total: int | None) -> None:
        told.append((name, done, total))

    with listening(listen):
        dg.materialize([contacts], run_config=QUIET)
    dg.materialize([contacts], run_config=QUIET)

    assert told == [("load", 1, 2), ("load", 2, 2)]
