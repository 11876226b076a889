"""The salt of a lake's tombstones: beside the catalogue, since all machines need the same one.

The tombstones themselves are in the lake's tables. Analysts' roles are granted neither this table
nor the writers' lock.
"""

import psycopg

from emarsys_pipeline.warehouse.sql import quote
from emarsys_pipeline.warehouse.tombstones import new_salt

TABLE = "emarsys_pipeline_salt"


def make_place(catalogue: psycopg.Connection, schema: str) -> None:
    """Make the table of the salt; callers hold the writers' lock."""
    catalogue.execute(
        f"create table if not exists {quote(schema)}.{TABLE}"
        " (is_only boolean primary key default true check (is_only), salt text not null)".encode()
    )


def make_salt(catalogue: psycopg.Connection, schema: str) -> None:
    """Make the salt unless there is one; of two that come at once, the first stays."""
    statement = f"insert into {quote(schema)}.{TABLE} (salt) values (%s) on conflict do nothing"  # noqa: S608 - quoted
    catalogue.execute(statement.encode(), (new_salt(),))


def keep_salt(catalogue: psycopg.Connection, schema: str, salt: str) -> None:
    """Use this salt, which the tombstones that come with it were made with."""
    statement = (
        f"insert into {quote(schema)}.{TABLE} (salt) values (%s)"  # noqa: S608 - quoted
        " on conflict (is_only) do update set salt = excluded.salt"
    )
    catalogue.execute(statement.encode(), (salt,))


def read_salt(catalogue: psycopg.Connection, schema: str) -> str | None:
    """The salt; None if there is none."""
    row = catalogue.execute(f"select salt from {quote(schema)}.{TABLE}".encode()).fetchone()  # noqa: S608 - quoted
    return None if row is None else str(row[0])
