"""Rows with valid defaults, so that a test names only what it is about."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import duckdb

from emarsys_pipeline.windows import Window, WindowGrid

GRID = WindowGrid(datetime(2026, 1, 1, tzinfo=UTC), 720)


def window(number: int) -> Window:
    """The window with this number, counted from 0."""
    return GRID.at(GRID.start + number * GRID.length)


def add_contact(
    connection: duckdb.DuckDBPyConnection,
    contact_id: str,
    *,
    account: str = "shop_de",
    segment_id: str = "1",
    number: int = 0,
    phones: Sequence[str] = (),
    emails: Sequence[str] = (),
    operation: str = "new",
    properties: Mapping[str, object] | None = None,
) -> None:
    """An Emarsys contact as mapping leaves it: its history row and its current row."""
    named, given = _properties(properties)
    values = {
        "account": account,
        "segment_id": segment_id,
        "window_start": window(number).start,
        "contact_id": contact_id,
        "operation": operation,
        "phone_numbers": list(phones),
        "email_addresses": list(emails),
        "requested_at": window(number).end,
        **given,
    }
    connection.execute(
        "insert into mapped_contacts by name select $account as account,"
        " $segment_id as segment_id, $window_start::timestamptz as window_start,"
        " $contact_id as contact_id, $operation as operation, []::varchar[] as changed_fields,"
        " 0::ubigint as row_hash, $phone_numbers::varchar[] as phone_numbers,"
        " $email_addresses::varchar[] as email_addresses, $requested_at::timestamptz as"
        f" requested_at, 'run' as run_id, $requested_at::timestamptz as loaded_at{named}",
        values,
    )
    connection.execute(
        "delete from current_contacts where account = $account and contact_id = $contact_id",
        {"account": account, "contact_id": contact_id},
    )
    columns = "".join(f', "{name}"' for name in properties or ())
    connection.execute(
        "insert into current_contacts by name select account, contact_id,"  # noqa: S608 - names of tests
        " min(window_start) over () as first_window_start, window_start, true as is_member,"
        " phone_numbers, email_addresses, requested_at,"
        f" window_start as touched_window_start{columns} from mapped_contacts"
        " where account = $account and contact_id = $contact_id"
        " qualify row_number() over (order by window_start desc) = 1",
        {"account": account, "contact_id": contact_id},
    )


def add_platform_contact(
    connection: duckdb.DuckDBPyConnection,
    platform_contact_id: str,
    *,
    number: int = 0,
    phone: str | None = None,
    email: str | None = None,
    properties: Mapping[str, object] | None = None,
) -> None:
    """A messaging-side contact as ingestion leaves it, written there in a spelling of its own."""
    named, given = _properties(properties)
    connection.execute(
        "insert into platform_contacts by name select $start::timestamptz as window_start,"
        " $id || $start::varchar as message_id, 1 as inbox_sequence,"
        " $start::timestamptz as received_at, $start::timestamptz as updated_at,"
        " $id as platform_contact_id, false as is_deleted, ' ' || $phone as phone,"
        f" $phone as phone_number, upper($email) as email, $email as email_address{named}",
        {
            "start": window(number).start,
            "id": platform_contact_id,
            "phone": phone,
            "email": email,
            **given,
        },
    )


def _properties(properties: Mapping[str, object] | None) -> tuple[str, dict[str, object]]:
    """Columns for the end of a select list, and the parameters that they name."""
    numbered = list(enumerate((properties or {}).items()))
    named = "".join(f', $property_{number} as "{name}"' for number, (name, _) in numbered)
    return named, {f"property_{number}": value for number, (_, value) in numbered}


def add_consent(
    connection: duckdb.DuckDBPyConnection,
    event_id: str,
    status: str,
    *,
    minute: int = 0,
    number: int = 0,
    phone: str | None = None,
    email: str | None = None,
    platform_contact_id: str | None = None,
    received_minute: int | None = None,
) -> None:
    """A decision in the ledger; ``minute`` counts from the start of its window."""
    start = window(number).start
    connection.execute(
        "insert into consent_events by name select $start::timestamptz as window_start,"
        " $event_id as event_id, 1 as inbox_sequence, $received_at::timestamptz as received_at,"
        " $occurred_at::timestamptz as occurred_at, 'whatsapp' as channel, $status as status,"
        " $status as reported_status, $platform_contact_id as platform_contact_id,"
        " $phone as phone_number, $email as email_address, 'webhook' as source,"
        " '' as evidence_hash",
        {
            "start": start,
            "event_id": event_id,
            "status": status,
            "occurred_at": start + timedelta(minutes=minute),
            "received_at": start
            + timedelta(minutes=minute if received_minute is None else received_minute),
            "platform_contact_id": platform_contact_id,
            "phone": phone,
            "email": email,
        },
    )
