"""The benchmarks of consent, small: that they run, and that what they promise holds."""

import random
from pathlib import Path

import pytest

from benchmarks import inbox, opt_in_pushes
from emarsys_pipeline_tests.requirements import POSTGRESQL, needs


def test_no_answered_event_is_lost_when_the_service_is_killed_again_and_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = random.SystemRandom().randrange(10**6)
    assert inbox.measure_kills(tmp_path, 2000, seed, shares=(0.1, 0.2)) == 0
    told = capsys.readouterr().out
    print(told)  # noqa: T201 - shows the seed when the test fails
    kills = int(told.split("under ")[1].split()[0])
    assert kills >= 4
    assert "answered 2,000" in told


def test_a_steady_load_is_kept_whole_and_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert inbox.measure_steady_load(tmp_path, 1000) > 0
    told = capsys.readouterr().out
    assert "answered 1,000, missing in the table 0" in told
    assert "one commit per event" in told


@needs(POSTGRESQL)
def test_nothing_is_lost_when_the_inbox_is_in_a_database_either(
    tmp_path: Path, postgresql_database: str
) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    assert inbox.measure_kills(tmp_path, 1000, seed, postgresql_database, shares=(0.2, 0.3)) == 0


def test_a_thousand_values_share_a_request(tmp_path: Path) -> None:
    assert opt_in_pushes.measure(tmp_path, 2500)
