"""A group of commands whose modules are imported when they are used.

So a command starts without what all the others need.
"""

from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click
import typer
from typer.core import TyperGroup


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command is: a function, or a group as a Typer, in a module of this folder."""

    module: str
    attribute: str
    panel: str

    def load(self, name: str) -> click.Command:
        """Import it, to be called ``name``."""
        found = getattr(import_module(f"{__package__}.{self.module}"), self.attribute)
        parent = typer.Typer(rich_markup_mode="markdown", callback=_nothing)
        if isinstance(found, typer.Typer):
            parent.add_typer(found, name=name, rich_help_panel=self.panel)
        else:
            parent.command(name, rich_help_panel=self.panel)(found)
        return typer.main.get_group(parent).commands[name]


def _nothing() -> None:
    """Make a Typer of a single command a group."""


class _Commands(MutableMapping[str, click.Command]):
    """Commands by name; each is imported when it is looked up first."""

    def __init__(self, places: Mapping[str, Place]) -> None:
        self._found: dict[str, Place | click.Command] = dict(places)

    def __getitem__(self, name: str) -> click.Command:
        found = self._found[name]
        if isinstance(found, Place):
            found = self._found[name] = found.load(name)
        return found

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._found[name] = command

    def __delitem__(self, name: str) -> None:
        del self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


def lazy_group(places: Mapping[str, Place]) -> type[TyperGroup]:
    """The class of a group that has these commands, in this order."""

    class LazyGroup(TyperGroup):
        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            self.commands = _Commands(places)

        def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
            """The names alone, so that nothing is imported for them."""
            return list(self.commands)

    return LazyGroup
