"""What is known of each contact now, over all segments: its values, and its opt-in field."""

from collections.abc import Collection, Mapping, Sequence

import duckdb

from emarsys_pipeline.settings import AccountSettings
from emarsys_pipeline.stages.mapped_contacts.properties import listed
from emarsys_pipeline.stages.raw_segment_exports.fields import EmarsysField, resolve_field
from emarsys_pipeline.warehouse import load_sql, quote
from emarsys_pipeline.warehouse.columns import property_columns, raw_field_column


def update_current(connection: duckdb.DuckDBPyConnection, keys: Mapping[str, object]) -> None:
    """Bring current_contacts up to date with a partition that was mapped in this transaction.

    Args:
        connection: holds the temporary table touched_contacts.
        keys: account, segment_id and window_start of the partition.
    """
    account = {"account": keys["account"]}
    connection.execute(load_sql(__package__, "former_rows.sql"), account)
    ((advanced, contested, others),) = connection.execute(
        load_sql(__package__, "count_former.sql"), {"window_start": keys["window_start"]}
    ).fetchall()
    if contested:
        connection.execute(load_sql(__package__, "forget_outdone.sql"), dict(keys))
    _delete_former(connection)
    if advanced:
        _insert(connection, "advanced_rows.sql", keys)
    if others:
        _insert_from_histories(connection, account)


def derive_current(connection: duckdb.DuckDBPyConnection, account: str) -> None:
    """Derive current_contacts anew for the contacts in the temporary table touched_contacts.

    All their mapped rows are looked at: is_newest has to be false for each of them.
    """
    connection.execute(load_sql(__package__, "former_rows.sql"), {"account": account})
    _delete_former(connection)
    _insert_from_histories(connection, {"account": account})


def _delete_former(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "delete from current_contacts where rowid in"
        " (select row_number from former_rows where row_number is not null)"
    )


def _insert_from_histories(
    connection: duckdb.DuckDBPyConnection, account: Mapping[str, object]
) -> None:
    connection.execute(load_sql(__package__, "histories.sql"), dict(account))
    connection.execute(load_sql(__package__, "newest_rows.sql"))
    _insert(connection, "current_rows.sql", {})


def _insert(connection: duckdb.DuckDBPyConnection, name: str, keys: Mapping[str, object]) -> None:
    values = listed([f"mapped.{quote(column)}" for column in property_columns(connection)])
    rows = load_sql(__package__, name, values=values)
    connection.execute("\n".join(["insert into current_contacts by name", rows]), dict(keys))


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
