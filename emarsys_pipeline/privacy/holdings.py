"""Which columns of the warehouse hold personal data, and which rows are about a person.

The one place that says so: erasure, export and search follow it. A test compares it with the
schema, so that a new table or column fails until it is classified here. ``none`` says nothing of
anybody; ``key`` names a contact, an identifier or a message of a person; ``personal`` is what was
said of the person. Columns that follow the settings (mapped properties, raw fields) are personal.

The conditions read the temporary tables that :mod:`emarsys_pipeline.privacy.subject` makes:
erasing_contacts, erasing_identifiers, erasing_identities, erasing_events.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Class = Literal["none", "key", "personal"]

CONTACT = (
    "row(account, contact_id) in (select row(people.account, people.contact_id)"
    " from erasing_contacts as people where people.source = 'emarsys')"
)
MEMBER = (
    "row(source, account, contact_id) in (select row(people.source, people.account,"
    " people.contact_id) from erasing_contacts as people)"
)
PLATFORM = (
    "platform_contact_id in (select people.contact_id from erasing_contacts as people"
    " where people.source = 'platform')"
)
IDENTITY = "identity_id in (select people.identity_id from erasing_identities as people)"
PHONE = (
    "phone_number in (select people.value from erasing_identifiers as people"
    " where people.kind = 'phone')"
)
EMAIL = (
    "email_address in (select people.value from erasing_identifiers as people"
    " where people.kind = 'email')"
)
IDENTIFIER = (
    "row(kind, value) in (select row(people.kind, people.value) from erasing_identifiers as people)"
)
EXTERNAL = (
    "external_id in (select people.contact_id from erasing_contacts as people"
    " where people.source = 'platform' or people.account = automation_events.account)"
)
DELTA = (
    "delta_id in (select deltas.delta_id from opt_in_deltas as deltas inner join erasing_contacts"
    " as people on people.source = 'emarsys' and people.account = deltas.account"
    " and people.contact_id = deltas.contact_id)"
)
OTHER_MEMBER = (
    "row(other_source, other_account, other_contact_id) in (select row(people.source,"
    " people.account, people.contact_id) from erasing_contacts as people)"
)
UPSERT = (
    "len(list_intersect(platform_contact_ids, (select coalesce(list(people.contact_id), [])"
    " from erasing_contacts as people where people.source = 'platform'))) > 0"
)

# What stands in place of a contact id, and of an event id: salted, so that it names nobody.
MEMBER_ID = (
    "'erased-' || substr(tombstone_of(source, case when source = 'emarsys'"
    " then account || chr(31) || contact_id else contact_id end), 1, 24)"
)
EVENT_ID = "'erased-' || substr(tombstone_of('event', event_id), 1, 24)"
ERASED_SOURCE = "erased"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What a table holds.

    Attributes:
        keys: columns that name somebody.
        personal: columns with what was said of somebody.
        none: all the others.
        rows: the condition of rows about the person; empty if the table has no such rows.
        cleared: if given, rows stay and these columns get these expressions; else rows go.
        follows_settings: whether the settings add columns, which are personal.
    """

    keys: tuple[str, ...] = ()
    personal: tuple[str, ...] = ()
    none: tuple[str, ...] = ()
    rows: str = ""
    cleared: Mapping[str, str] = field(default_factory=dict)
    follows_settings: bool = False

    def class_of(self, column: str) -> Class | None:
        """The class of a column; None when nobody has classified it."""
        if column in self.keys:
            return "key"
        if column in self.personal:
            return "personal"
        if column in self.none:
            return "none"
        return "personal" if self.follows_settings else None


_PARTITION = ("account", "segment_id", "window_start")

HOLDINGS: dict[str, Holding] = {
    "raw_segment_exports": Holding(
        keys=("contact_id",),
        none=(*_PARTITION, "kind", "dialect", "requested_at", "export_id"),
        rows=CONTACT,
        follows_settings=True,
    ),
    "segment_imports": Holding(
        none=(
            *_PARTITION,
            *("mode", "requested_at", "landed_at", "members", "rows_delivered", "entered"),
            *("departed", "changed", "export_ids", "api_calls", "bytes_downloaded", "seconds"),
            "run_id",
        )
    ),
    "raw_prunings": Holding(
        none=(
            "account",
            "segment_id",
            "kept_from",
            "partitions",
            "pruned_at",
            "run_id",
            "rows_pruned",
        )
    ),
    "export_intents": Holding(
        none=(
            *("account", "window_start", "intent_id", "kind", "segment_id", "state", "export_id"),
            *("intended_at", "started_at", "finished_at", "run_id"),
        )
    ),
    "emarsys_fields": Holding(
        none=("account", "window_start", "field_id", "name", "string_id", "application_type")
    ),
    "emarsys_choices": Holding(
        none=("account", "window_start", "field_id", "choice_id", "label", "language")
    ),
    "mapped_contacts": Holding(
        keys=("contact_id",),
        personal=("row_hash", "phone_numbers", "email_addresses"),
        none=(*_PARTITION, "operation", "changed_fields", "requested_at", "run_id", "loaded_at"),
        rows=CONTACT,
        follows_settings=True,
    ),
    "rejected_values": Holding(
        keys=("contact_id",),
        personal=("raw_value",),
        none=(*_PARTITION, "property", "field_id", "reason"),
        rows=CONTACT,
    ),
    "current_contacts": Holding(
        keys=("contact_id",),
        personal=("phone_numbers", "email_addresses"),
        none=(
            *("account", "first_window_start", "window_start", "is_member", "requested_at"),
            "touched_window_start",
        ),
        rows=CONTACT,
        follows_settings=True,
    ),
    "opt_in_readings": Holding(
        keys=("contact_id",),
        personal=("value",),
        none=("account", "window_start", "field_id", "requested_at"),
        rows=CONTACT,
    ),
    "platform_contacts": Holding(
        keys=("message_id", "platform_contact_id"),
        personal=("first_name", "last_name", "phone", "phone_number", "email", "email_address"),
        none=("window_start", "inbox_sequence", "received_at", "updated_at", "is_deleted"),
        rows=PLATFORM,
    ),
    "consent_events": Holding(
        keys=("event_id", "platform_contact_id", "phone_number", "email_address"),
        personal=("reported_status", "source", "evidence_hash"),
        none=("window_start", "inbox_sequence", "received_at", "occurred_at", "channel", "status"),
        rows=f"{PLATFORM} or {PHONE} or {EMAIL}",
        # The ledger keeps its rows, so that its counts stay true, but they are about nobody.
        cleared={
            "event_id": EVENT_ID,
            "platform_contact_id": "null",
            "phone_number": "null",
            "email_address": "null",
            "reported_status": "status",
            "source": f"'{ERASED_SOURCE}'",
            "evidence_hash": "''",
        },
    ),
    "automation_events": Holding(
        keys=("message_id", "contact_id", "external_id", "phone_number", "email_address"),
        personal=("payload",),
        none=(
            *("window_start", "inbox_sequence", "received_at", "occurred_at", "account"),
            *("event_name", "program_id", "contact_list_id", "source"),
        ),
        rows=f"{CONTACT} or {EXTERNAL} or {PHONE} or {EMAIL}",
    ),
    "automation_lists": Holding(
        keys=("message_id",),
        none=(
            *("window_start", "account", "inbox_sequence", "received_at", "list_id", "state"),
            *("members", "reason", "fetched_at", "run_id"),
        ),
    ),
    "automation_list_members": Holding(
        keys=("message_id", "contact_id"), none=("window_start", "account"), rows=CONTACT
    ),
    "stitched_identities": Holding(
        keys=("contact_id",),
        none=(
            *("window_start", "source", "account", "identity_id", "previous_identity_id"),
            "run_id",
        ),
        rows=MEMBER,
        cleared={"contact_id": MEMBER_ID},
    ),
    "former_members": Holding(
        keys=("contact_id",),
        none=(
            *("window_start", "source", "account", "identity_id", "previous_identity_id"),
            *("first_window_start", "run_id"),
        ),
        rows=MEMBER,
        cleared={"contact_id": MEMBER_ID},
    ),
    "identity_members": Holding(
        keys=("contact_id",),
        none=(
            *("identity_id", "source", "account", "first_window_start", "window_start"),
            *("previous_identity_id", "component_id", "run_id"),
        ),
        rows=MEMBER,
        cleared={"contact_id": MEMBER_ID},
    ),
    "identity_identifiers": Holding(keys=("kind", "value"), none=("identity_id",), rows=IDENTITY),
    "identities": Holding(
        personal=("phone_numbers", "email_addresses"),
        none=(
            *("identity_id", "window_start", "first_window_start", "emarsys_contacts"),
            "platform_contacts",
        ),
        rows=IDENTITY,
        follows_settings=True,
    ),
    "identity_property_sources": Holding(
        keys=("contact_id",),
        none=("identity_id", "property", "source", "account", "window_start"),
        rows=MEMBER,
    ),
    "identity_stitches": Holding(
        none=(
            *("window_start", "records", "identities", "assigned", "merges", "splits"),
            *("quarantined", "largest", "run_id", "guards", "inputs"),
        )
    ),
    "identity_events": Holding(
        personal=("evidence",),
        none=("window_start", "event", "identity_id", "other_identity_id", "records"),
        rows=f"{IDENTITY} or other_{IDENTITY}",
        cleared={"evidence": "null"},
    ),
    "identity_decisions": Holding(
        keys=("contact_id", "other_contact_id", "kind", "value"),
        personal=("reason",),
        none=(
            *("window_start", "decision_id", "decided_at", "action", "author", "source"),
            *("account", "other_source", "other_account", "revoked_decision_id"),
        ),
        rows=f"{MEMBER} or {OTHER_MEMBER} or {IDENTIFIER}",
    ),
    "quarantined_links": Holding(
        keys=("kind", "value", "contact_id"),
        none=("records", "reason", "source", "account", "decision_id"),
        rows=IDENTIFIER,
    ),
    "opt_in_deltas": Holding(
        keys=("delta_id", "contact_id", "event_id", "predecessor"),
        personal=("old_value", "new_value"),
        none=(
            *("window_start", "account", "identity_id", "field_id", "reason", "derived_at"),
            "run_id",
        ),
        rows=CONTACT,
    ),
    "opt_in_pushes": Holding(
        keys=("delta_id", "contact_id"),
        personal=("value", "reply_text"),
        none=(
            *("window_start", "account", "batch_id", "field_id", "attempt", "outcome"),
            *("is_retryable", "retry_at", "http_status", "reply_code", "remedy", "intended_at"),
            *("settled_at", "run_id", "key_field_id"),
        ),
        rows=CONTACT,
    ),
    "opt_in_replays": Holding(
        keys=("delta_id",), none=("window_start", "account", "attempt", "requested_at"), rows=DELTA
    ),
    "opt_in_drift": Holding(
        keys=("contact_id", "event_id"),
        personal=("expected", "found"),
        none=("account", "identity_id", "field_id", "found_at", "run_id"),
        rows=CONTACT,
    ),
    "opt_in_reconciliations": Holding(
        none=(
            *("account", "started_at", "finished_at", "is_full", "contacts", "missing"),
            *("open_deliveries", "drifted", "repairs", "requests", "run_id"),
        )
    ),
    "contact_upserts": Holding(
        keys=("upsert_id", "platform_contact_ids", "content_hash", "predecessor"),
        personal=("phone_numbers", "email_addresses", "properties"),
        none=(
            *("window_start", "identity_id", "operation", "merged_into", "emarsys_contacts"),
            *("changed_properties", "derived_at", "run_id"),
        ),
        rows=f"{IDENTITY} or {UPSERT}",
    ),
    "contact_upsert_pushes": Holding(
        keys=("upsert_id",),
        personal=("reply_text",),
        none=(
            *("window_start", "identity_id", "batch_id", "attempt", "outcome", "is_retryable"),
            *("retry_at", "http_status", "remedy", "intended_at", "settled_at", "run_id"),
        ),
        rows=IDENTITY,
    ),
    "erased_members": Holding(
        none=(
            *("window_start", "source", "account", "member_id", "first_window_start"),
            "identity_id",
        )
    ),
    "erasure_tombstones": Holding(none=("kind", "tombstone", "erased_at")),
    "erasures": Holding(
        none=("erasure_id", "requested_at", "finished_at", "place", "rows_removed")
    ),
    "schema_migrations": Holding(none=("name", "applied_at")),
}

# Rows of one are found through rows of the other, so it goes first.
FIRST = ("opt_in_replays",)
