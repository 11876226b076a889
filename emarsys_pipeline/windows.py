"""Windows: the equal spans of UTC time that every partition belongs to.

A window is named by its start (``2026-11-23-12:00``) and covers ``start <= time < end``. Nothing
here asks for the time; callers hand it in.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

KEY_FORMAT = "%Y-%m-%d-%H:%M"
MINUTES_PER_HOUR = 60
MINUTES_PER_DAY = 24 * MINUTES_PER_HOUR


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """One span of time, in UTC: ``start`` belongs to it, ``end`` to the next."""

    start: datetime
    end: datetime

    @property
    def key(self) -> str:
        """The partition key, for example ``2026-11-23-12:00``."""
        return self.start.strftime(KEY_FORMAT)


@dataclass(frozen=True, slots=True)
class WindowGrid:
    """All windows of one length from one start on, aligned to midnight UTC.

    ``length_minutes`` divides an hour, or is whole hours that divide a day, so that a cron
    expression can name the boundaries.
    """

    start: datetime
    length_minutes: int

    def __post_init__(self) -> None:
        """Refuse a length that cron cannot express and a start off the grid."""
        if not is_window_length(self.length_minutes):
            raise ValueError(
                f"a window of {self.length_minutes} minutes neither divides an hour nor is whole "
                "hours that divide a day; use for example 60, 360, 720 or 1440"
            )
        if self.start.utcoffset() != timedelta(0):
            raise ValueError("the start of the windows must be in UTC, for example with a Z")
        if self.at(self.start).start != self.start:
            raise ValueError(
                f"the start {self.start.isoformat()} is not a boundary of "
                f"{self.length_minutes}-minute windows"
            )

    @property
    def length(self) -> timedelta:
        """The length of each window."""
        return timedelta(minutes=self.length_minutes)

    def cron(self, delay_minutes: int = 0) -> str:
        """The cron expression of the boundaries, each moved on by ``delay_minutes``."""
        if self.length_minutes < MINUTES_PER_HOUR:
            minutes = range(delay_minutes, MINUTES_PER_HOUR, self.length_minutes)
            return f"{','.join(str(minute) for minute in minutes)} * * * *"
        hours = range(0, 24, self.length_minutes // MINUTES_PER_HOUR)
        return f"{delay_minutes} {','.join(str(hour) for hour in hours)} * * *"

    def at(self, moment: datetime) -> Window:
        """The window that ``moment`` lies in."""
        moment = moment.astimezone(UTC)
        midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        start = midnight + (moment - midnight) // self.length * self.length
        return Window(start, start + self.length)

    def parse(self, key: str) -> Window:
        """The window with this key.

        Raises:
            ValueError: the key is not the start of a window.
        """
        start = datetime.strptime(key, KEY_FORMAT).replace(tzinfo=UTC)
        window = self.at(start)
        if window.start != start:
            raise ValueError(f"{key} is not the start of a {self.length_minutes}-minute window")
        return window

    def newest_closed(self, now: datetime) -> Window | None:
        """The last window that ended at or before ``now``; None before the first has ended."""
        end = self.at(now).start
        return Window(end - self.length, end) if end - self.length >= self.start else None


def is_window_length(minutes: int) -> bool:
    """Whether cron can name the boundaries of windows of this length."""
    if minutes < 1 or minutes > MINUTES_PER_DAY:
        return False
    if minutes < MINUTES_PER_HOUR:
        return MINUTES_PER_HOUR % minutes == 0
    return minutes % MINUTES_PER_HOUR == 0 and MINUTES_PER_DAY % minutes == 0
