"""Markdown that answers the next question of whoever looks at a materialization."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

# Whatever Dagster can show; its own name for the type is not public.
Metadata = dict[str, Any]


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A markdown table; numbers get thousands separators."""
    lines = [_row(headings), _row(["---"] * len(headings))]
    lines += [_row([_cell(value) for value in row]) for row in rows]
    return "\n".join(lines)


def counts(values: Mapping[str, int]) -> str:
    """A markdown table of names and numbers, in the given order."""
    return table(["what", "count"], list(values.items()))


def markdown(*paragraphs: str) -> dg.MarkdownMetadataValue:
    """Paragraphs as metadata; empty ones are left out."""
    return dg.MetadataValue.md("\n\n".join(paragraph for paragraph in paragraphs if paragraph))


def named(names: Sequence[str], *, at_most: int = 10) -> str:
    """A list in words, cut after a few names with the number of the others."""
    shown = ", ".join(names[:at_most])
    return shown if len(names) <= at_most else f"{shown} and {len(names) - at_most} more"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: object) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.1f}"
    return str(value).replace("|", "\\|")
