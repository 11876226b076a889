"""The benchmark of the import at a small size; its times mean nothing there."""

import re

import pytest

from benchmarks.import_load import main


@pytest.mark.slow
def test_it_prints_every_ratio_beside_its_limit(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--rows", "500", "--segments", "2", "--rounds", "1"])
    printed = capsys.readouterr().out
    for name, limit in (
        ("load with normalisation and hash / plain load", "<= 1.8"),
        ("peak memory of the import in MB", "< 1000"),
        ("CPU per row, 1,000 rows / 50 rows", "<= 1.25"),
        ("phonenumbers / our normaliser", ">= 10"),
    ):
        assert re.search(
            rf"^{re.escape(name)} +[0-9.]+  {re.escape(limit)} +(NOT )?KEPT$", printed, re.M | re.I
        )
    assert re.search(r"^whole import .* / plain load +[0-9.]+$", printed, re.M)
    assert " 0 different" in printed
