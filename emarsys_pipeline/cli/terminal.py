"""What commands write to the terminal: one console, tables, progress bars."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

console = Console(highlight=False)
# Rich turns colours off for pipes and for NO_COLOR by itself.
errors = Console(stderr=True, highlight=False)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """A table whose numbers stand on the right."""
    made = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        values = [row[number] for row in rows]
        is_number = bool(values) and all(isinstance(value, int | float) for value in values)
        made.add_column(column, justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        made.add_row(*(f"{v:,}" if isinstance(v, int) else str(v) for v in row))
    return made


class Bars:
    """Progress bars, one for each piece of work that is told of; safe from any thread.

    Where nobody watches (a pipe, a log file) each step writes one line when it has ended.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self.seconds: dict[str, float] = {}

    def __call__(self, name: str, done: int, total: int | None) -> None:
        """Draw that ``done`` of ``total`` units of ``name`` are finished."""
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=total)
        self._progress.update(self._tasks[name], completed=done, total=total)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """One bar for a step, with the bars of its parts below it while it lasts.

        How long it took is kept in ``seconds``.
        """
        task = self._progress.add_task(f"[bold]{name}", total=1)
        started = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - started
        self._progress.update(task, completed=1)
        if self._progress.disable:
            errors.print(f"{name}: {self.seconds[name]:.1f} s")
        for part in self._tasks.values():
            self._progress.remove_task(part)
        self._tasks.clear()


@contextmanager
def bars() -> Iterator[Bars]:
    """Progress bars on standard error, so that a pipe gets the result alone."""
    columns = (
        SpinnerColumn(finished_text="[green]✓"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=errors, disable=not sys.stderr.isatty()) as progress:
        yield Bars(progress)


@contextmanager
def working(text: str) -> Iterator[None]:
    """Show that something is being done, on standard error, where somebody watches."""
    if not sys.stderr.isatty():
        yield
        return
    with errors.status(text):
        yield


__all__ = ["Bars", "bars", "console", "errors", "table", "working"]
