"""Windows: the grid, its keys and its cron expressions."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from emarsys_pipeline.windows import Window, WindowGrid, is_window_length

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(hour: int, minute: int = 0, day: int = 1) -> datetime:
    return datetime(2026, 1, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("minutes", "delay", "cron"),
    [
        (720, 0, "0 0,12 * * *"),
        (720, 5, "5 0,12 * * *"),
        (360, 0, "0 0,6,12,18 * * *"),
        (1440, 10, "10 0 * * *"),
        (60, 0, "0 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23 * * *"),
        (20, 3, "3,23,43 * * * *"),
    ],
)
def test_cron_names_the_boundaries(minutes: int, delay: int, cron: str) -> None:
    assert WindowGrid(START, minutes).cron(delay) == cron


def test_a_moment_belongs_to_the_window_that_it_begins() -> None:
    grid = WindowGrid(START, 720)
    assert grid.at(at(11, 59)) == Window(at(0), at(12))
    assert grid.at(at(12)) == Window(at(12), at(0, day=2))
    vienna = timezone(timedelta(hours=1))
    assert grid.at(datetime(2026, 1, 1, 12, 30, tzinfo=vienna)) == Window(at(0), at(12))


def test_keys_are_read_back_and_others_refused() -> None:
    grid = WindowGrid(START, 720)
    window = Window(at(12), at(0, day=2))
    assert window.key == "2026-01-01-12:00"
    assert grid.parse(window.key) == window
    with pytest.raises(ValueError, match="not the start of a 720-minute window"):
        grid.parse("2026-01-01-13:00")


def test_the_newest_closed_window_is_none_before_the_first_has_ended() -> None:
    grid = WindowGrid(START, 720)
    assert grid.newest_closed(at(11, 59)) is None
    assert grid.newest_closed(at(12)) == Window(at(0), at(12))
    assert grid.newest_closed(at(1, day=3)) == Window(at(12, day=2), at(0, day=3))


@pytest.mark.parametrize("minutes", [0, 7, 90, 300, 2880, -60])
def test_lengths_that_cron_cannot_express_are_refused(minutes: int) -> None:
    assert not is_window_length(minutes)
    with pytest.raises(ValueError, match="divide"):
        WindowGrid(START, minutes)


def test_a_start_off_the_grid_or_not_in_utc_is_refused() -> None:
    with pytest.raises(ValueError, match="not a boundary"):
        WindowGrid(at(1), 720)
    with pytest.raises(ValueError, match="UTC"):
        WindowGrid(START.astimezone(timezone(timedelta(hours=1))), 720)
