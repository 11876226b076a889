"""SQL files that lie beside the code that runs them."""

import re
from functools import cache
from importlib import resources

_PLACEHOLDER = re.compile(r"\{\{ (\w+) \}\}")


@cache
def _read(package: str, name: str) -> str:
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")


def load_sql(package: str, name: str, **fragments: str) -> str:
    """The text of an SQL file, with each ``{{ fragment }}`` replaced.

    Values travel as query parameters; fragments are only for what cannot: lists of columns, whose
    names come from :func:`quote`.

    Raises:
        KeyError: the file names a fragment that was not given, or one given is not in the file.
    """
    text = _read(package, name)
    named = set(_PLACEHOLDER.findall(text))
    if named != set(fragments):
        raise KeyError(f"{name} needs the fragments {sorted(named)}, got {sorted(fragments)}")
    return _PLACEHOLDER.sub(lambda found: fragments[found.group(1)], text)


def load_views(tables: str) -> str:
    """The text of ``views.sql`` over the tables of this schema."""
    return load_sql(
        __package__,
        "views.sql",
        tables=tables,
        decisions_in_force=load_decisions_in_force(f"{tables}.identity_decisions"),
    )


def load_decisions_in_force(decisions: str) -> str:
    """The query for those decisions that hold, of all in a table."""
    return load_sql(__package__, "decisions_in_force.sql", decisions=decisions).rstrip()


def quote(identifier: str) -> str:
    """The identifier in double quotes, safe inside any statement."""
    return '"' + identifier.replace('"', '""') + '"'
