"""Golden records: one row of best values per identity."""

from collections.abc import Mapping
from datetime import datetime

import duckdb

from emarsys_pipeline.warehouse import load_sql, quote

# Properties that the messaging side knows as well, by the name that it is mapped under.
PLATFORM_PROPERTIES = ("first_name", "last_name")


def write_golden_records(
    connection: duckdb.DuckDBPyConnection,
    window_start: datetime,
    property_types: Mapping[str, str],
    *,
    rebuild: bool,
) -> None:
    """Write ``identities`` for those whose members or member values changed in the window.

    Per property the first non-empty value wins in this order of records: Emarsys before the
    messaging side, members of a segment before others, the newest change, account, contact id.

    Args:
        connection: an open transaction; identity_members is current.
        window_start: the newest stitched window.
        property_types: the DuckDB type of each property.
        rebuild: write all identities anew instead of those that the window touched, which
            changed_records and changed_members tell.
    """
    ((is_first,),) = connection.execute("select count(*) <= 1 from identity_stitches").fetchall()
    if rebuild:
        connection.execute("delete from identities")
        every = "first_identities.sql" if is_first else "all_identities.sql"
        connection.execute(load_sql(__package__, every), {"window_start": window_start})
    else:
        connection.execute(
            load_sql(__package__, "touched_identities.sql"), {"window_start": window_start}
        )
        connection.execute(
            "delete from identities where identity_id in (select identity_id from touched)"
        )
    names = sorted(property_types)
    connection.execute(
        load_sql(
            __package__,
            "golden_records.sql",
            emarsys_values="".join(f", contacts.{quote(name)}" for name in names),
            platform_values="".join(
                f", {_platform_value(name)}::{property_types[name]} as {quote(name)}"
                for name in names
            ),
            best_values="".join(
                f", arg_min({quote(name)}, _preference) as {quote(name)}" for name in names
            ),
        ),
        {"window_start": window_start},
    )
    connection.execute("drop table temp.touched")


def _platform_value(name: str) -> str:
    return f"contacts.{quote(name)}" if name in PLATFORM_PROPERTIES else "null"
