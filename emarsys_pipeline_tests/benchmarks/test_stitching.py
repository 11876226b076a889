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
    # Those that are not installed come first.
    assert {row[1] for row in rows[1:]} == set(CONTESTANTS)
    step = rows[0]
    assert float(step[1].strip("*")) > 0
    assert int(step[-1].removesuffix(" |")) <= 16


@pytest.mark.slow
def test_a_window_in_which_few_changed_is_measured_in_both_modes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    delta.compare(2_000, folder)
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines()]
    assert [row[0] for row in rows[-3:]] == [
        "| first window",
        "| 1 % changed, full",
        "| 1 % changed, incremental",
    ]
    assert rows[-3][1] == "**1.0**"
    assert "load" in rows[-1][4]
