"""What is known of each contact now, over all segments: its values, and its opt-in field."""

from collections.abc import Collection, Mapping, Sequence

import duckdb

from emarsys_pipeline.settings import AccountSettings
from emarsys_pipeline.stages.mapped_contacts.properties import listed
from emarsys_pipeline.stages.raw_segment_exports.fields import EmarsysField, resolve_field
from emarsys_pipeline.warehouse import load_sql, quote
from emarsys_pipeline.warehouse.columns import property_columns, raw_field_column


def update_current(connection: duckdb.DuckDBPyConnection, account: str) -> None:
    """Derive current_contacts anew for the contacts in the temporary table touched_contacts."""
    values = listed([f"mapped.{quote(name)}" for name in property_columns(connection)])
    connection.execute(load_sql(__package__, "seen_contacts.sql"), {"account": account})
    connection.execute(
        "delete from current_contacts where account = $account"
        " and contact_id in (select contact_id from touched_contacts)",
        {"account": account},
    )
    # Most contacts have one mapped row, which needs no choice: all of them do at a first import.
    ((several,),) = connection.execute(
        "select count(*) from seen_contacts where times > 1"
    ).fetchall()
    for name in ("current_rows_seen_once.sql", *["current_rows.sql"] * bool(several)):
        rows = load_sql(__package__, name, values=values)
        connection.execute(
            "\n".join(["insert into current_contacts by name", rows]), {"account": account}
        )


def update_readings(
    connection: duckdb.DuckDBPyConnection,
    keys: Mapping[str, object],
    account: AccountSettings,
    fields: Sequence[EmarsysField],
    raw_columns: Collection[str],
) -> None:
    """Keep the newest value of the account's opt-in field per contact, changed or not.

    Choice fields are kept by choice id, as they are written.

    Raises:
        UnknownFieldError: the opt-in field is not in the account.
    """
    if account.opt_in is None:
        return
    field = resolve_field(account.name, account.opt_in.field, fields)
    column = raw_field_column(field.field_id)
    if column not in raw_columns:
        return
    connection.execute(
        load_sql(__package__, "fresh_readings.sql", column=quote(column)),
        {**keys, "field_id": field.field_id},
    )
    connection.execute(
        "delete from opt_in_readings where account = $account"
        " and contact_id in (select contact_id from fresh_readings)",
        {"account": keys["account"]},
    )
    connection.execute("insert into opt_in_readings by name from fresh_readings")
