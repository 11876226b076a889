"""Numbers of rows, under the names that Dagster plots and lists."""

from collections.abc import Sequence

from emarsys_pipeline.defs.summaries import Metadata
from emarsys_pipeline.warehouse import Warehouse, load_sql, quote
from emarsys_pipeline.windows import Window

ROWS = "dagster/row_count"
PARTITION_ROWS = "dagster/partition_row_count"


def table_rows(warehouse: Warehouse, table: str) -> Metadata:
    """The rows of a whole table, as metadata of an asset without partitions."""
    with warehouse.read() as connection:
        ((rows,),) = connection.execute(
            load_sql(__package__, "rows_of_table.sql", table=quote(table))
        ).fetchall()
    return {ROWS: rows}


def window_rows(
    warehouse: Warehouse, table: str, windows: Sequence[Window]
) -> dict[Window, Metadata]:
    """The rows of each window, as metadata of its partition."""
    with warehouse.read() as connection:
        rows = dict(
            connection.execute(
                load_sql(__package__, "rows_of_windows.sql", table=quote(table)),
                {"window_starts": [window.start for window in windows]},
            ).fetchall()
        )
    return {window: {PARTITION_ROWS: rows.get(window.start, 0)} for window in windows}
