"""Column schemas that Dagster shows for each asset's table.

The columns and their types are those of ``warehouse/schema``; a test compares the two.
"""

from collections.abc import Mapping

import dagster as dg

from emarsys_pipeline.defs.summaries import Metadata
from emarsys_pipeline.settings import Settings

_PARTITION = {
    "account": ("varchar", "Account name from the settings"),
    "segment_id": ("varchar", "Emarsys segment id"),
    "window_start": ("timestamptz", "Start of the window, UTC"),
}
_WINDOW = {"window_start": _PARTITION["window_start"]}
_RUN = {"run_id": ("varchar", "The Dagster run that wrote the row")}
_ARRIVAL = {
    "inbox_sequence": ("bigint", "Position in the inbox"),
    "received_at": ("timestamptz", "When the message became durable in the inbox, UTC"),
}

_COLUMNS: dict[str, dict[str, tuple[str, str]]] = {
    "raw_segment_exports": {
        **_PARTITION,
        "contact_id": ("varchar", "Internal Emarsys contact id"),
        "kind": ("varchar", "member (full import), changed, entered or left (no values)"),
        "dialect": ("varchar", "How choices are written: labels or ids; null for left"),
        "requested_at": ("timestamptz", "Moment before the request that delivered the values"),
        "export_id": ("varchar", "The export that delivered the row; null if none did"),
    },
    "mapped_contacts": {
        **_PARTITION,
        "contact_id": ("varchar", "Internal Emarsys contact id"),
        "operation": ("varchar", "new, changed or left"),
        "changed_fields": ("varchar[]", "The properties that differ from the row before"),
        "row_hash": ("ubigint", "Hash of the canonical values, in order of property name"),
        "phone_numbers": ("varchar[]", "Valid phone numbers, E.164"),
        "email_addresses": ("varchar[]", "Valid e-mail addresses, normalised"),
        "requested_at": ("timestamptz", "Moment before the request that delivered the values"),
        **_RUN,
        "loaded_at": ("timestamptz", "When the row was written, UTC"),
    },
    "platform_contacts": {
        **_WINDOW,
        "message_id": ("varchar", "Id of the message; a second one with it is ignored"),
        **_ARRIVAL,
        "updated_at": ("timestamptz", "When the contact changed at the messaging platform"),
        "platform_contact_id": ("varchar", "The messaging platform's contact id"),
        "is_deleted": ("boolean", "Whether the message says that the contact is gone"),
        "first_name": ("varchar", "First name"),
        "last_name": ("varchar", "Last name"),
        "phone": ("varchar", "Phone number as received"),
        "phone_number": ("varchar", "Phone number, E.164; null if it is not valid"),
        "email": ("varchar", "E-mail address as received"),
        "email_address": ("varchar", "E-mail address, normalised; null if it is not valid"),
    },
    "consent_events": {
        **_WINDOW,
        "event_id": ("varchar", "Id of the decision at its origin"),
        **_ARRIVAL,
        "occurred_at": ("timestamptz", "When the person decided"),
        "channel": ("varchar", "For example whatsapp"),
        "status": ("varchar", "granted, withdrawn, denied or unknown"),
        "reported_status": ("varchar", "The status in the words of its origin"),
        "platform_contact_id": ("varchar", "Who decided: the messaging platform's contact id"),
        "phone_number": ("varchar", "Who decided: phone number, E.164"),
        "email_address": ("varchar", "Who decided: e-mail address, normalised"),
        "source": ("varchar", "webhook, file or command"),
        "evidence_hash": ("varchar", "Hash of the message as received"),
    },
    "automation_lists": {
        **_WINDOW,
        "account": ("varchar", "Account name from the settings"),
        "message_id": ("varchar", "The call; joins automation_events and automation_list_members"),
        **_ARRIVAL,
        "list_id": ("varchar", "Emarsys contact list that the call named"),
        "state": ("varchar", "fetched or gone"),
        "members": ("bigint", "Contacts of the list"),
        "reason": ("varchar", "Emarsys's text when the list was gone"),
        "fetched_at": ("timestamptz", "When the list was read, UTC"),
        **_RUN,
    },
    "automation_events": {
        **_WINDOW,
        "message_id": ("varchar", "Id of the call; a second one with it is ignored"),
        **_ARRIVAL,
        "occurred_at": ("timestamptz", "When Emarsys says it happened, else when it arrived"),
        "account": ("varchar", "Account name from the settings"),
        "event_name": ("varchar", "What the customer called the event"),
        "contact_id": ("varchar", "Internal Emarsys contact id, if the call names it"),
        "external_id": ("varchar", "External reference id, if the call names one"),
        "phone_number": ("varchar", "Phone number, E.164; null if none is valid"),
        "email_address": ("varchar", "E-mail address, normalised; null if none is valid"),
        "program_id": ("varchar", "The Emarsys program that called"),
        "contact_list_id": ("varchar", "The contact list that a legacy call is about"),
        "payload": ("varchar", "The whole call as JSON"),
        "source": ("varchar", "webhook or file"),
    },
    "stitched_identities": {
        **_WINDOW,
        "source": ("varchar", "emarsys or platform (the messaging side)"),
        "account": ("varchar", "Account name; empty for the messaging side"),
        "contact_id": ("varchar", "Contact id within its source and account"),
        "identity_id": ("varchar", "The person that the contact belongs to"),
        "previous_identity_id": ("varchar", "The person it belonged to before; null if new"),
        **_RUN,
    },
    "opt_in_deltas": {
        **_WINDOW,
        "delta_id": ("varchar", "Stable id of the change: the same in every run"),
        "account": ("varchar", "Account name from the settings"),
        "contact_id": ("varchar", "Internal Emarsys contact id"),
        "identity_id": ("varchar", "The person whose decision it carries"),
        "field_id": ("varchar", "The account's opt-in field"),
        "old_value": ("varchar", "The field as last known"),
        "new_value": ("varchar", "The value that Emarsys must hold"),
        "reason": ("varchar", "stitched, granted, withdrawn or reconciled"),
        "event_id": ("varchar", "The consent event that decides"),
        "predecessor": ("varchar", "What the change follows; part of its id"),
        "derived_at": ("timestamptz", "When the change was derived, UTC"),
        **_RUN,
    },
    "opt_in_drift": {
        "account": ("varchar", "Account name from the settings"),
        "contact_id": ("varchar", "Internal Emarsys contact id"),
        "identity_id": ("varchar", "The person whose decision Emarsys does not show"),
        "field_id": ("varchar", "The account's opt-in field"),
        "expected": ("varchar", "The value that the ledger says"),
        "found": ("varchar", "The value that Emarsys held; null if empty"),
        "found_at": ("timestamptz", "Moment before the request that read it"),
        "event_id": ("varchar", "The consent event that decides"),
        **_RUN,
    },
    "opt_in_pushes": {
        **_WINDOW,
        "account": ("varchar", "Account name from the settings"),
        "batch_id": ("varchar", "The request that carried the value"),
        "delta_id": ("varchar", "The change that was sent"),
        "contact_id": ("varchar", "Internal Emarsys contact id"),
        "field_id": ("varchar", "The account's opt-in field"),
        "value": ("varchar", "The value that was sent"),
        "attempt": ("integer", "Which attempt at this change it was, from 1"),
        "outcome": ("varchar", "sending, accepted, rejected, unknown or superseded"),
        "is_retryable": ("boolean", "Whether a rejection will be tried again"),
        "retry_at": ("timestamptz", "When the next attempt is due, UTC"),
        "http_status": ("integer", "HTTP status of the answer"),
        "reply_code": ("varchar", "Emarsys reply code"),
        "reply_text": ("varchar", "Emarsys reply text"),
        "remedy": ("varchar", "What to do about a rejection"),
        "intended_at": ("timestamptz", "When the request was built, UTC"),
        "settled_at": ("timestamptz", "When the outcome was known, UTC"),
        **_RUN,
        "key_field_id": ("varchar", "Field that named the contact; null: its id"),
    },
    "contact_upserts": {
        **_WINDOW,
        "upsert_id": ("varchar", "Stable id of the upsert: the same in every run"),
        "identity_id": ("varchar", "The person; its external reference at the messaging side"),
        "operation": ("varchar", "new, changed or retired"),
        "merged_into": ("varchar", "Of a retired person: the one its contacts belong to since"),
        "emarsys_contacts": ("bigint", "Emarsys contacts of the person"),
        "platform_contact_ids": ("varchar[]", "Messaging-side contacts of the person"),
        "phone_numbers": ("varchar[]", "Valid phone numbers, E.164"),
        "email_addresses": ("varchar[]", "Valid e-mail addresses, normalised"),
        "properties": ("varchar", "JSON: value by property; null: a value told before is gone"),
        "changed_properties": ("varchar[]", "What differs from the upsert before"),
        "content_hash": ("varchar", "Hash of numbers, addresses and properties"),
        "predecessor": ("varchar", "The upsert that it follows; part of its id"),
        "derived_at": ("timestamptz", "When the upsert was derived, UTC"),
        **_RUN,
    },
    "contact_upsert_pushes": {
        **_WINDOW,
        "upsert_id": ("varchar", "The upsert that was sent"),
        "identity_id": ("varchar", "The person"),
        "batch_id": ("varchar", "The requests whose intents were committed together"),
        "attempt": ("integer", "Which attempt at this upsert it was, from 1"),
        "outcome": (
            "varchar",
            "sending, accepted, rejected, unknown, repeated, unsent or superseded",
        ),
        "is_retryable": ("boolean", "Whether it will be tried again"),
        "retry_at": ("timestamptz", "When the next attempt is due, UTC"),
        "http_status": ("integer", "HTTP status of the answer"),
        "reply_text": ("varchar", "What the platform said, without personal data"),
        "remedy": ("varchar", "What to do about a rejection"),
        "intended_at": ("timestamptz", "When the request was built, UTC"),
        "settled_at": ("timestamptz", "When the outcome was known, UTC"),
        **_RUN,
    },
}


# Views of analytics.duckdb that show an asset's rows, or what became of them.
_VIEWS = {
    "raw_segment_exports": "segment_imports",
    "mapped_contacts": "segment_changes",
    "consent_events": "consent_history",
    "automation_events": "automation_events",
    "stitched_identities": "identities",
    "opt_in_deltas": "opt_in_deliveries",
    "opt_in_pushes": "opt_in_deliveries",
    "opt_in_drift": "opt_in_drift",
    "contact_upserts": "contact_upserts",
    "contact_upsert_pushes": "contact_upserts",
}


def table_columns(table: str) -> list[dg.TableColumn]:
    """The columns that a table has whatever the settings."""
    return [
        dg.TableColumn(name=name, type=data_type, description=description)
        for name, (data_type, description) in _COLUMNS[table].items()
    ]


def table_metadata(table: str, properties: Mapping[str, tuple[str, str]] | None = None) -> Metadata:
    """Metadata of an asset: which table it is, and the table's columns.

    Args:
        table: the table's name, which is also the asset's.
        properties: further columns that come from the settings: name to type and description.
    """
    columns = {**_COLUMNS[table], **(properties or {})}
    asked = {"try": f"emarsys-pipeline query 'from {_VIEWS[table]}'"} if table in _VIEWS else {}
    return {
        **asked,
        "dagster/table_name": f"warehouse.main.{table}",
        "dagster/column_schema": dg.TableSchema(
            columns=[
                dg.TableColumn(name=name, type=data_type, description=description)
                for name, (data_type, description) in columns.items()
            ]
        ),
    }


def mapped_property_columns(settings: Settings) -> dict[str, tuple[str, str]]:
    """The columns that the settings' field mappings add: name to type and description."""
    sources: dict[str, list[str]] = {}
    for account in settings.accounts:
        for mapping in account.fields:
            sources.setdefault(mapping.property, []).append(
                f"field {mapping.emarsys} of {account.name}"
                + (f", identifies by {mapping.identifier}" if mapping.identifier else "")
            )
    types = settings.property_types
    return {
        name: (types[name], f"From Emarsys: {'; '.join(fields)}")
        for name, fields in sorted(sources.items())
    }
