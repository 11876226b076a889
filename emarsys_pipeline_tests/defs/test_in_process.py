"""Runs in this process: what interrupts them, and what makes them fail."""

import dagster as dg
import duckdb
import pytest
from dagster._core.errors import DagsterExecutionInterruptedError

from emarsys_pipeline.defs.in_process import InProcessRuns, RunFailedError


def _runs(error: BaseException, instance: dg.DagsterInstance) -> InProcessRuns:
    @dg.op
    def ask() -> None:
        raise RuntimeError("Query interrupted") from error

    @dg.job
    def asking() -> None:
        ask()

    return InProcessRuns(dg.Definitions(jobs=[asking]), instance)


def test_an_interrupted_query_interrupts_the_run(instance: dg.DagsterInstance) -> None:
    """DuckDB raises an error of its own, caused by the interrupt."""
    with pytest.raises(KeyboardInterrupt):
        _runs(DagsterExecutionInterruptedError(), instance).run_job("asking")


def test_any_other_error_fails_the_run(instance: dg.DagsterInstance) -> None:
    with pytest.raises(RunFailedError, match='executing op "ask"'):
        _runs(duckdb.BinderException("no such column"), instance).run_job("asking")
