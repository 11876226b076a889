"""How a stage tells how far it is."""

from typing import Protocol


class Progress(Protocol):
    """Receives the state of a long piece of work, from any thread."""

    def __call__(self, name: str, done: int, total: int | None) -> None:
        """Note that ``done`` of ``total`` units of the work called ``name`` are finished."""


def no_progress(name: str, done: int, total: int | None) -> None:
    """Tell nobody."""
