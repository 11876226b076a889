"""Schema migrations: numbered SQL files, each applied once, together with its record.

A change to ``views.sql`` or ``analytics.sql`` reaches what exists with the next migration.
"""

import hashlib
import logging
from collections.abc import Callable
from importlib import resources

import duckdb

from emarsys_pipeline.warehouse.sql import load_views

logger = logging.getLogger(__name__)

_RECORDS = """
create table if not exists schema_migrations (
    name varchar not null,
    applied_at timestamptz not null
)
"""


# Views hold no data, so a changed text replaces them; its digest tells which text they have.
_VIEWS = "views "


class NewerSchemaError(Exception):
    """The file was written by a newer version of this package."""


def migrate(
    connection: duckdb.DuckDBPyConnection,
    then: Callable[[duckdb.DuckDBPyConnection], None] | None = None,
) -> list[str]:
    """Apply the migrations that the file lacks, in the order of their names.

    They commit in one transaction together with their records and the views over their tables, so
    that a kill leaves the file as it was.

    Args:
        connection: the tables.
        then: what belongs to a changed schema, in the same transaction.

    Returns:
        The names of the migrations that were applied now.

    Raises:
        NewerSchemaError: the file records a migration that this version does not know.
    """
    connection.begin()
    try:
        missing = _apply_missing(connection)
        if missing and then is not None:
            then(connection)
    except BaseException:
        connection.rollback()
        raise
    connection.commit()
    for name in missing:
        logger.info("applied schema migration %s", name)
    return missing


def missing_migrations(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The migrations that the database lacks; all of them if it is empty.

    Raises:
        NewerSchemaError: it records a migration that this version does not know.
    """
    try:
        rows = connection.execute("select name from schema_migrations").fetchall()
    except duckdb.CatalogException:
        return list(_migrations())
    return _missing({name for (name,) in rows})


def _missing(recorded: set[str]) -> list[str]:
    known = _migrations()
    unknown = sorted(name for name in recorded - set(known) if not name.startswith(_VIEWS))
    if unknown:
        raise NewerSchemaError(
            f"the warehouse was written by a newer version (it has {unknown[-1]}): "
            "upgrade emarsys_pipeline, or restore a copy made before the upgrade"
        )
    return [name for name in known if name not in recorded]


def _apply_missing(connection: duckdb.DuckDBPyConnection) -> list[str]:
    connection.execute(_RECORDS)
    known = _migrations()
    rows = connection.execute("select name from schema_migrations").fetchall()
    recorded = {name for (name,) in rows}
    views = load_views("main")
    both = views + resources.files(__package__).joinpath("analytics.sql").read_text("utf-8")
    views_name = _VIEWS + hashlib.sha256(both.encode()).hexdigest()[:16]
    missing = _missing(recorded)
    for name in missing:
        connection.execute(known[name])
        connection.execute("insert into schema_migrations values ($name, now())", {"name": name})
    if missing or views_name not in recorded:
        connection.execute(views)
        connection.execute(
            "delete from schema_migrations where starts_with(name, $v)", {"v": _VIEWS}
        )
        connection.execute(
            "insert into schema_migrations values ($name, now())", {"name": views_name}
        )
        missing.append(views_name)
    return missing


def _migrations() -> dict[str, str]:
    folder = resources.files(__package__).joinpath("schema")
    return {
        entry.name: entry.read_text(encoding="utf-8")
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".sql")
    }
