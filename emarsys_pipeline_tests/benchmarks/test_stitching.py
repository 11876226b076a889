"""The benchmark of stitching at a small size: that it runs and agrees. No times are judged."""

from pathlib import Path

import pytest

from benchmarks.stitching import __main__ as benchmark
from benchmarks.stitching.kernels import CONTESTANTS


@pytest.mark.slow
def test_every_contestant_finds_the_same_components_and_the_tables_are_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark.main([0.002], tmp_path, rounds=1)
    printed = capsys.readouterr().out
    rows = [line.split(" | ") for line in printed.splitlines() if line.startswith("| 2,000 |")]
    step, *kernels, first, incremental, full = rows
    # Those that are not installed come first.
    assert {row[1] for row in kernels} == set(CONTESTANTS)
    assert float(step[1].strip("*")) > 0
    assert int(step[-1].removesuffix(" |")) <= 16
    assert [row[1] for row in (first, incremental, full)] == [
        "first window",
        "1 % changed, incremental (default)",
        "1 % changed, full",
    ]
    assert first[2] == "**1.0**"
    assert "load" in incremental[-1]
