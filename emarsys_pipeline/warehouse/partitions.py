"""Replacing one partition of a table."""

from collections.abc import Mapping

import duckdb

from emarsys_pipeline.warehouse.sql import quote


def overwrite_partition(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    keys: Mapping[str, object],
    select: str,
    parameters: Mapping[str, object] | None = None,
) -> int:
    """Replace the rows of one partition by the rows of a query, in the caller's transaction.

    Args:
        connection: an open transaction of :meth:`Warehouse.write`.
        table: the table to write.
        keys: the partition columns and their values; what ``select`` gives must carry them.
        select: a query whose columns are matched to the table's by name.
        parameters: the values of the query's ``$name`` parameters.

    Returns:
        The number of rows that the partition now holds.
    """
    where = " and ".join(f"{quote(column)} = ${column}" for column in keys)
    target = quote(table)
    connection.execute(" ".join(["delete from", target, "where", where]), dict(keys))
    rows = connection.execute(
        "\n".join(["insert into " + target + " by name", select]), dict(parameters or {})
    ).fetchall()
    return int(rows[0][0])
