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
        rebuild: write all identities anew instead of those that the window touched.
    """
    touched = "all_identities.sql" if rebuild else "touched_identities.sql"
    parameters = {} if rebuild else {"window_start": window_start}
    connection.execute(load_sql(__package__, touched), parameters)
    connection.execute(
        "delete from identities where identity_id in (from touched)"
        " or identity_id not in (select members.identity_id from identity_members as members)"
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
