"""The benchmark of a lake beside a file, in small: both come to the same, and each step is told."""

from pathlib import Path

import pytest

from benchmarks.lake import compare
from emarsys_pipeline_tests.requirements import POSTGRESQL, needs

STEPS = ("load", "map", "stitch and golden records", "opt-in deltas", "publish")


@needs(POSTGRESQL)
def test_a_lake_comes_to_the_counts_of_a_file(
    tmp_path: Path, postgresql_database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    compare(500, tmp_path, postgresql_database)
    rows = [line.split(" | ")[:2] for line in capsys.readouterr().out.splitlines()]
    assert rows == [
        [f"| {window}", step] for window in ("first window", "1 % changed") for step in STEPS
    ]
