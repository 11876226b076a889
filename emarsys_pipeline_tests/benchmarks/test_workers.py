"""The benchmark of several workers at a small size; its times mean nothing there."""

import re

import pytest

from benchmarks.workers import main
from emarsys_pipeline_tests.requirements import POSTGRESQL, needs


@pytest.mark.slow
@needs(POSTGRESQL)
def test_each_number_of_workers_imports_every_account(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["--contacts", "200", "--accounts", "2", "--workers", "1", "2"]
    assert main([*sizes, "--export-seconds", "0.1"]) == 0
    printed = capsys.readouterr().out
    rows = re.findall(r"^ +(\d) +[\d.]+ +[\d,]+ +([\d.]+) +[\d.]+ +\d+% +[\d.]+$", printed, re.M)
    assert [workers for workers, _ in rows] == ["1", "2"]
    assert rows[0][1] == "1.00"
    assert "an export takes 0.1 s" in printed
