"""The analysts' views inside the lake, kept in step with the mapped properties."""

import re

import duckdb

from emarsys_pipeline.warehouse.columns import property_columns
from emarsys_pipeline.warehouse.publish import analysts_views_sql

ANALYSTS_SCHEMA = "analytics"

# DuckLake keeps comments on views and tables, and refuses those on a view's columns.
_COLUMN_COMMENT = re.compile(r"(?m)^comment on column [^;]*'(?:[^']|'')*';$")


def refresh_analysts_views(
    connection: duckdb.DuckDBPyConnection, *, only_new: bool = False
) -> None:
    """Make the views anew, with a column per property.

    Args:
        connection: the lake.
        only_new: leave them if no property was added since; in the caller's transaction.
    """
    properties = property_columns(connection)
    if only_new and set(properties) <= _shown(connection):
        return
    views = _COLUMN_COMMENT.sub("", analysts_views_sql(properties, tables="main"))
    connection.execute(f"create schema if not exists {ANALYSTS_SCHEMA}")
    connection.execute(f"use {ANALYSTS_SCHEMA}")
    connection.execute(views.replace("create view", "create or replace view"))
    connection.execute("use main")


def _shown(connection: duckdb.DuckDBPyConnection) -> set[str]:
    rows = connection.execute(
        "select name from pragma_table_info($view)", {"view": f"{ANALYSTS_SCHEMA}.identities"}
    ).fetchall()
    return {name for (name,) in rows}
