"""Keeps people who were erased from coming back in imports and messages."""

from collections.abc import Mapping

import duckdb

from emarsys_pipeline.inbox import Inbox
from emarsys_pipeline.warehouse import load_sql, quote
from emarsys_pipeline.warehouse.tombstones import has_tombstones

_KNOWN = "in (select tombstones.tombstone from erasure_tombstones as tombstones)"


def is_erased(values: Mapping[str, str]) -> str:
    """An SQL condition: one of these expressions, by kind of tombstone, is of an erased person."""
    return " or ".join(
        f"coalesce(tombstone_of('{kind.split()[0]}', {expression}) {_KNOWN}, false)"
        for kind, expression in values.items()
    )


def drop_erased_messages(
    connection: duckdb.DuckDBPyConnection,
    inbox: Inbox,
    table: str,
    values: Mapping[str, str],
) -> int:
    """Remove messages about erased people from a temporary table and from the inbox.

    Args:
        connection: an open transaction.
        inbox: where the messages came from; there they are overwritten.
        table: the temporary table, with the column ``inbox_sequence``.
        values: SQL expressions over its columns, by kind of tombstone.

    Returns:
        The number of messages removed.
    """
    if not has_tombstones(connection):
        return 0
    condition = is_erased(values)
    rows = connection.execute(
        f"from {quote(table)} select inbox_sequence where {condition}"
    ).fetchall()
    sequences = [sequence for (sequence,) in rows]
    if sequences:
        connection.execute(
            f"delete from {quote(table)} where list_contains($sequences::bigint[], inbox_sequence)",  # noqa: S608 - quoted
            {"sequences": sequences},
        )
        inbox.forget(sequences)
    return len(sequences)


def drop_erased_contacts(connection: duckdb.DuckDBPyConnection, keys: Mapping[str, object]) -> int:
    """Remove contacts of erased people from mapped_values and from the partition's raw rows.

    Their contact ids become tombstones as well, so that the next import does not land them.

    Args:
        connection: an open transaction, with the temporary table mapped_values.
        keys: account, segment_id and window_start of the partition.

    Returns:
        The number of contacts removed.
    """
    if not has_tombstones(connection):
        return 0
    connection.execute(load_sql(__package__, "erased_contacts.sql"), {"account": keys["account"]})
    ((contacts,),) = connection.execute("select count(*) from erased_contacts").fetchall()
    if contacts:
        connection.execute(load_sql(__package__, "erased_contact_tombstones.sql"))
        connection.execute(
            "delete from mapped_values where contact_id in (from erased_contacts select contact_id)"
        )
        connection.execute(
            "delete from raw_segment_exports where account = $account and segment_id = $segment_id"
            " and window_start = $window_start"
            " and contact_id in (from erased_contacts select contact_id)",
            dict(keys),
        )
    connection.execute("drop table erased_contacts")
    return int(contacts)
