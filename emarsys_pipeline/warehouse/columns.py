"""Columns that follow the settings: one per mapped property, one per fetched Emarsys field.

A column is added when it is first needed and never dropped, so that older partitions stay
readable after a field has left the mapping.
"""

from collections.abc import Iterable, Mapping

import duckdb

from emarsys_pipeline.warehouse.sql import quote

PROPERTY_TABLES = ("mapped_contacts", "current_contacts", "identities")
RAW_FIELD_PREFIX = "field_"


class ColumnTypeError(Exception):
    """A property is declared with another type than the column that already holds it."""


def raw_field_column(field_id: str) -> str:
    """The column of raw_segment_exports that holds an Emarsys field as text."""
    return RAW_FIELD_PREFIX + field_id


def ensure_raw_field_columns(
    connection: duckdb.DuckDBPyConnection, field_ids: Iterable[str]
) -> None:
    """Give raw_segment_exports a text column for each of these Emarsys fields."""
    wanted = {raw_field_column(field_id): "varchar" for field_id in field_ids}
    _ensure(connection, "raw_segment_exports", wanted)


def ensure_property_columns(
    connection: duckdb.DuckDBPyConnection, types: Mapping[str, str]
) -> None:
    """Give mapped_contacts, current_contacts and identities a typed column per property.

    Raises:
        ColumnTypeError: a column exists with another type.
    """
    for table in PROPERTY_TABLES:
        _ensure(connection, table, types)


def property_columns(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The names of all property columns that exist, in alphabetical order.

    They are the columns that identities and current_contacts have in common beyond those that
    the schema files gave them.
    """
    fixed = {
        *("identity_id", "window_start", "first_window_start", "emarsys_contacts"),
        *("platform_contacts", "phone_numbers", "email_addresses"),
    }
    return sorted(set(_columns(connection, "identities")) - fixed)


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    rows = connection.execute(
        "select name, lower(type) from pragma_table_info($table)", {"table": table}
    ).fetchall()
    return dict(rows)


def _ensure(connection: duckdb.DuckDBPyConnection, table: str, wanted: Mapping[str, str]) -> None:
    present = _columns(connection, table)
    for name, data_type in sorted(wanted.items()):
        if name not in present:
            connection.execute(
                " ".join(
                    ["alter table", quote(table), "add column", quote(name), data_type],
                )
            )
        elif present[name] != data_type.lower():
            raise ColumnTypeError(
                f"property {name} is declared as {data_type}, but {table}.{name} holds "
                f"{present[name]}: give it another name in the settings, or declare the old type"
            )
