"""How commands tell an answer: JSON for programs, a table for people."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime

import typer
from rich.table import Table
from rich.text import Text

from emarsys_pipeline.cli.terminal import console


def tell_json(document: object) -> None:
    """Write the document, and nothing else, to standard output."""
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2, default=_text))


def tell_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write a heading and a table; None is an empty cell, numbers stand on the right."""
    table = Table()
    for number, column in enumerate(columns):
        is_number = all(isinstance(row[number], int | float | None) for row in rows)
        table.add_column(column, justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(shown(value)) for value in row))
    tell_line(title)  # above the table and not its title, which would be broken at its width
    console.print(table)


def tell_line(text: str) -> None:
    """Write one line as it is."""
    console.print(Text(shown(text)), soft_wrap=True)


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def shown(value: object) -> str:
    """The value as text that cannot steer the terminal: Emarsys's users wrote it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.6g}"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)
