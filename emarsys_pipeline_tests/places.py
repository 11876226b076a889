"""Where inboxes and rate limits may be, also as one argument of a command."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pytest

from emarsys_pipeline_tests.requirements import POSTGRESQL, needs

if TYPE_CHECKING:
    from emarsys_pipeline.postgresql import Database

# The second one's client is an extra, which tests of files do without.
Place: TypeAlias = "Path | Database"

# The kinds of places, to be the parameters of a fixture.
PLACES = ["file", pytest.param("postgresql", marks=needs(POSTGRESQL))]


def as_text(place: Place) -> str:
    """The place as one argument."""
    if isinstance(place, Path):
        return json.dumps([str(place)])
    return json.dumps([place.address, place.schema])


def from_text(text: str) -> Place:
    """The place that :func:`as_text` wrote."""
    from emarsys_pipeline.postgresql import Database

    first, *schema = json.loads(text)
    return Database(first, schema[0]) if schema else Path(first)
