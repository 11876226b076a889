"""The windows of the measured runs."""

from datetime import UTC, datetime

from emarsys_pipeline.windows import WindowGrid

GRID = WindowGrid(datetime(2026, 1, 1, tzinfo=UTC), 720)
FIRST = GRID.at(GRID.start)
SECOND = GRID.at(GRID.start + GRID.length)
