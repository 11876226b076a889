"""The benchmark of stitching at a small size: that it runs and agrees. No times are judged."""

from pathlib import Path

import pytest

from benchmarks.stitching import __main__ as benchmark
from benchmarks.stitching import delta
from benchmarks.stitching.kernels import CONTESTANTS


@pytest.mark.slow
def test_every_contestant_finds_the_same_components_and_the_tables_are_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark.main([0.002], tmp_path)
    printed = capsys.readouterr().out
    rows = [line.split(" | ") for line in printed.splitlines() if line.startswith("| 2,000 |")]
    assert [row[1] for row in rows[1:]] == list(CONTESTANTS)
    step = rows[0]
    assert float(step[1].strip("*")) > 0
    assert int(step[-1].removesuffix(" |")) <= 16


@pytest.mark.slow
def test_a_window_in_which_few_changed_assigns_few(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    delta.prepare(tmp_path, 2_000)
    delta.run_window(tmp_path, 0)
    delta.run_window(tmp_path, 1)
    first, second = capsys.readouterr().out.splitlines()
    assert '"assigned": 2000,' in first
    assert '"assigned": 2000,' not in second
    assert '"load"' in second
