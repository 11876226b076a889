"""What the analysts' views look like, without a warehouse: from the same SQL, over empty tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import duckdb

from emarsys_pipeline.warehouse.columns import ensure_property_columns
from emarsys_pipeline.warehouse.migrate import migrate
from emarsys_pipeline.warehouse.publish import copy_tables, create_views


@dataclass(frozen=True, slots=True)
class AnalystsView:
    """One view of ``analytics.duckdb``.

    Attributes:
        comment: what a row is.
        columns: name to type and comment, in the view's order.
    """

    comment: str
    columns: Mapping[str, tuple[str, str]]


def analysts_views(property_types: Mapping[str, str]) -> Mapping[str, AnalystsView]:
    """Every view by name, with a column per property where it has them; touches no file."""
    return _views(tuple(sorted(property_types.items())))


@cache
def _views(property_types: tuple[tuple[str, str], ...]) -> dict[str, AnalystsView]:
    with duckdb.connect(":memory:") as connection:
        migrate(connection)
        ensure_property_columns(connection, dict(property_types))
        connection.execute("attach ':memory:' as published")
        copy_tables(connection)
        connection.execute("use published.main")
        create_views(connection, [name for name, _ in property_types])
        views = connection.execute(
            "select view_name, comment from duckdb_views() where not internal"
            " and schema_name = 'main' and database_name = 'published' order by view_name"
        ).fetchall()
        columns = connection.execute(
            "select table_name, column_name, lower(data_type), comment from duckdb_columns()"
            " where not internal and schema_name = 'main' and database_name = 'published'"
            " order by table_name, column_index"
        ).fetchall()
    return {
        view: AnalystsView(
            comment,
            {name: (kind, about) for table, name, kind, about in columns if table == view},
        )
        for view, comment in views
    }
