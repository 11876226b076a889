"""Which columns each column is made from, from the Emarsys field to the analyst's view.

Written down beside the SQL that does it; a test holds it against the columns that exist. Dagster's
open-source UI draws no graph of columns, so each asset also lists its columns' origins in words.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from emarsys_pipeline.defs.summaries import Metadata, markdown, table
from emarsys_pipeline.settings import Settings
from emarsys_pipeline.stages.stitched_identities.golden import PLATFORM_PROPERTIES
from emarsys_pipeline.warehouse.analysts_views import analysts_views
from emarsys_pipeline.warehouse.columns import raw_field_column

RAW, MAPPED = "raw_segment_exports", "mapped_contacts"
STITCHED, PLATFORM, CONSENT = "stitched_identities", "platform_contacts", "consent_events"
DELTAS, PUSHES, DRIFT = "opt_in_deltas", "opt_in_pushes", "opt_in_drift"
UPSERTS, UPSERT_PUSHES = "contact_upserts", "contact_upsert_pushes"

# A column by name, to the columns that it is made from, each as asset.column.
Sources = dict[str, tuple[str, ...]]

_NUMBERS = (f"{MAPPED}.phone_numbers", f"{PLATFORM}.phone_number")
_ADDRESSES = (f"{MAPPED}.email_addresses", f"{PLATFORM}.email_address")
_PERSON = f"{STITCHED}.identity_id"


def _same(asset: str, *columns: str) -> Sources:
    """Columns that are taken over under their own names."""
    return {column: (f"{asset}.{column}",) for column in columns}


_TABLES: dict[str, Sources] = {
    MAPPED: _same(RAW, "account", "segment_id", "window_start", "contact_id", "requested_at"),
    STITCHED: {
        "window_start": (f"{MAPPED}.window_start", f"{PLATFORM}.window_start"),
        "account": (f"{MAPPED}.account",),
        "contact_id": (f"{MAPPED}.contact_id", f"{PLATFORM}.platform_contact_id"),
        "identity_id": (*_NUMBERS, *_ADDRESSES),
        "previous_identity_id": (*_NUMBERS, *_ADDRESSES),
    },
    DELTAS: {
        **_same(STITCHED, "account", "contact_id", "identity_id"),
        **_same(CONSENT, "event_id"),
        "new_value": (f"{CONSENT}.status",),
        "reason": (f"{CONSENT}.status", _PERSON),
    },
    DRIFT: {
        **_same(STITCHED, "account", "contact_id", "identity_id"),
        **_same(CONSENT, "event_id"),
        "expected": (f"{CONSENT}.status",),
    },
    PUSHES: {
        **_same(DELTAS, "account", "delta_id", "contact_id", "field_id"),
        "value": (f"{DELTAS}.new_value",),
    },
    UPSERTS: {
        **_same(STITCHED, "window_start", "identity_id"),
        "merged_into": (_PERSON,),
        "emarsys_contacts": (f"{STITCHED}.contact_id",),
        "platform_contact_ids": (f"{PLATFORM}.platform_contact_id",),
        "phone_numbers": _NUMBERS,
        "email_addresses": _ADDRESSES,
    },
    UPSERT_PUSHES: _same(UPSERTS, "upsert_id", "identity_id"),
}

_DECISION = ("channel", "status", "reported_status", "source", "occurred_at", "received_at")
_REPLY = ("attempt", "outcome", "http_status", "reply_code", "reply_text")

_VIEWS: dict[str, Sources] = {
    "contacts": {
        **_same(MAPPED, "account", "contact_id", "phone_numbers", "email_addresses"),
        "identity_id": (_PERSON,),
        "is_member": (f"{MAPPED}.operation",),
        "first_window_start": (f"{MAPPED}.window_start",),
        "changed_window_start": (f"{MAPPED}.window_start",),
        "opt_in_read_at": (f"{RAW}.requested_at",),
    },
    "identities": {
        "identity_id": (_PERSON,),
        "first_window_start": (f"{STITCHED}.window_start",),
        "changed_window_start": (f"{STITCHED}.window_start",),
        "emarsys_contacts": (f"{STITCHED}.contact_id",),
        "platform_contacts": (f"{STITCHED}.contact_id",),
        "phone_numbers": _NUMBERS,
        "email_addresses": _ADDRESSES,
    },
    "identity_property_sources": {
        **_same(STITCHED, "identity_id", "source", "account", "contact_id"),
        "changed_window_start": (f"{MAPPED}.window_start", f"{PLATFORM}.window_start"),
    },
    "identity_members": {
        **_same(STITCHED, "identity_id", "source", "account", "contact_id"),
        "first_window_start": (f"{STITCHED}.window_start",),
    },
    "identity_events": {
        **_same(STITCHED, "window_start"),
        "identity_id": (f"{STITCHED}.previous_identity_id",),
        "other_identity_id": (_PERSON,),
        "records": (f"{STITCHED}.contact_id",),
    },
    "identity_paths": {
        "identity_id": (_PERSON,),
        "from_contact": (f"{STITCHED}.contact_id",),
        "to_contact": (f"{STITCHED}.contact_id",),
        "path": (*_NUMBERS, *_ADDRESSES),
    },
    "quarantined_links": {
        **_same(STITCHED, "window_start", "source", "account", "contact_id"),
        "value": (*_NUMBERS, *_ADDRESSES),
    },
    "segment_changes": _same(
        *(MAPPED, "account", "segment_id", "window_start", "contact_id"),
        *("operation", "changed_fields"),
    ),
    "segment_imports": {
        **_same(RAW, "account", "segment_id", "window_start", "requested_at"),
        "rows_delivered": (f"{RAW}.contact_id",),
        **dict.fromkeys(("entered", "departed", "changed"), (f"{RAW}.kind",)),
    },
    "rejected_values": _same(MAPPED, "account", "segment_id", "window_start", "contact_id"),
    "consent_history": {
        **_same(CONSENT, *_DECISION),
        **_same(DELTAS, "account", "contact_id", "delta_id", "old_value", "reason"),
        **_same(PUSHES, *_REPLY),
        "identity_id": (_PERSON,),
        "happened_at": (
            *(f"{CONSENT}.occurred_at", f"{DELTAS}.derived_at", f"{PUSHES}.intended_at"),
            *(f"{PUSHES}.settled_at", f"{DRIFT}.found_at", f"{STITCHED}.window_start"),
        ),
        "event_id": (f"{CONSENT}.event_id", f"{DELTAS}.event_id"),
        "value": (f"{DELTAS}.new_value", f"{DRIFT}.expected"),
        "resolved_by": (
            *(f"{CONSENT}.platform_contact_id", f"{CONSENT}.phone_number"),
            f"{CONSENT}.email_address",
        ),
        "left_identity_id": (f"{STITCHED}.previous_identity_id",),
        "joined_identity_id": (_PERSON,),
    },
    "consent_status": {
        **_same(CONSENT, "channel", "status", "event_id", "occurred_at", "received_at"),
        "identity_id": (_PERSON,),
    },
    "opt_in_deliveries": {
        **_same(DELTAS, "window_start", "delta_id", "account", "contact_id", "identity_id"),
        **_same(DELTAS, "old_value", "new_value", "reason", "event_id", "derived_at"),
        **_same(PUSHES, "outcome", "is_retryable", "retry_at", "http_status", "reply_code"),
        **_same(PUSHES, "reply_text", "remedy", "intended_at", "settled_at"),
        "attempts": (f"{PUSHES}.attempt",),
    },
    "opt_in_drift": {
        **_same(DRIFT, "account", "contact_id", "identity_id", "expected", "found"),
        **_same(DRIFT, "found_at", "event_id"),
        "repaired_at": (f"{PUSHES}.settled_at",),
    },
    "contact_upserts": {
        **_same(UPSERTS, "window_start", "upsert_id", "identity_id", "operation", "merged_into"),
        **_same(UPSERTS, "emarsys_contacts", "platform_contact_ids", "phone_numbers"),
        **_same(UPSERTS, "email_addresses", "properties", "changed_properties", "derived_at"),
        **_same(UPSERT_PUSHES, "outcome", "is_retryable", "retry_at", "http_status"),
        **_same(UPSERT_PUSHES, "reply_text", "remedy", "intended_at", "settled_at"),
        "attempts": (f"{UPSERT_PUSHES}.attempt",),
    },
    "automation_events": {
        **_same(
            *("automation_events", "window_start", "message_id", "inbox_sequence", "received_at"),
            *("occurred_at", "account", "event_name", "contact_id", "external_id"),
            *("program_id", "contact_list_id", "payload", "source"),
        ),
        "identity_id": (_PERSON,),
        "resolved_by": (
            *("automation_events.contact_id", "automation_events.phone_number"),
            "automation_events.email_address",
        ),
    },
}


_FIELD = "Emarsys field "


@dataclass(frozen=True, slots=True)
class ColumnLineage:
    """The lineage of one deployment.

    Attributes:
        sources: asset to column to the columns that it is made from.
        fields: column of mapped_contacts to the Emarsys fields that the settings map to it.
    """

    sources: Mapping[str, Sources]
    fields: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, settings: Settings) -> "ColumnLineage":
        """The lineage that these settings give: with their properties, and without what is off."""
        tables = {asset: dict(columns) for asset, columns in _TABLES.items()}
        fields = _mapped_fields(settings, tables[MAPPED])
        properties = sorted(settings.property_types)
        tables[UPSERTS]["properties"] = tuple(f"{MAPPED}.{name}" for name in properties)
        views = {view: dict(_VIEWS.get(view, {})) for view in analysts_views({})}
        for name in properties:
            views["contacts"][name] = (f"{MAPPED}.{name}",)
            platform = (f"{PLATFORM}.{name}",) if name in PLATFORM_PROPERTIES else ()
            views["identities"][name] = (f"{MAPPED}.{name}", *platform)
        every = {**tables, **{f"analytics/{view}": columns for view, columns in views.items()}}
        off = {UPSERT_PUSHES} if settings.messaging.http is None else set()
        return cls(
            {
                asset: {
                    column: kept
                    for column, made_from in columns.items()
                    if (kept := tuple(each for each in made_from if _asset(each) not in off))
                }
                for asset, columns in every.items()
                if asset not in off
            },
            fields,
        )

    def tables_of(self, asset: str) -> list[str]:
        """The assets that any column of an asset is made from, in alphabetical order."""
        return sorted(
            {_asset(each) for made_from in self.sources[asset].values() for each in made_from}
        )

    def metadata(self, asset: str) -> Metadata:
        """Metadata of an asset: lineage for programs, and its columns' origins for readers."""
        columns = self.sources.get(asset)
        if not columns:
            return {}
        deps = {
            column: [
                dg.TableColumnDep(
                    asset_key=dg.AssetKey(_asset(each)), column_name=each.partition(".")[2]
                )
                for each in made_from
            ]
            for column, made_from in columns.items()
        }
        rows = [
            [f"`{column}`", ", ".join(f"`{each}`" for each in made_from), self.origins(made_from)]
            for column, made_from in columns.items()
        ]
        return {
            "dagster/column_lineage": dg.TableColumnLineage(deps_by_column=deps),
            "column_origins": markdown(
                table(["column", "made from", "which begins as"], rows),
                "A column that is not listed is made here.",
            ),
        }

    def fields_behind(self, asset: str, column: str) -> str:
        """The Emarsys fields that a column begins as, as an addition to its description."""
        made_from = self.sources[asset].get(column, ())
        origins = dict.fromkeys(origin for each in made_from for origin in self._origins(each))
        fields = [origin for origin in origins if origin.startswith(_FIELD)]
        return f". From {'; '.join(fields)}" if fields else ""

    def origins(self, made_from: Sequence[str]) -> str:
        """Where these columns begin, in words: Emarsys fields, messages, or columns made here."""
        found = dict.fromkeys(origin for each in made_from for origin in self._origins(each))
        return "; ".join(found)

    def _origins(self, source: str) -> Iterator[str]:
        asset, column = _asset(source), source.partition(".")[2]
        if asset == MAPPED and column in self.fields:
            yield from self.fields[column]
            return
        made_from = self.sources.get(asset, {}).get(column, ())
        for each in made_from:
            yield from self._origins(each)
        if not made_from:
            yield f"`{source}`"


def _asset(source: str) -> str:
    return source.partition(".")[0]


def _mapped_fields(settings: Settings, mapped: Sources) -> dict[str, list[str]]:
    """Tell the Emarsys fields of each mapped column, and add their raw columns to ``mapped``.

    A field that the settings name by string id or name has its raw column in the lineage of each
    materialization; only then its id is known.
    """
    lists = {"phone": "phone_numbers", "email": "email_addresses"}
    fields: dict[str, list[str]] = {}
    for account in settings.accounts:
        for mapping in account.fields:
            held = lists.get(mapping.identifier or "")
            for column in (mapping.property, *([held] if held else [])):
                told = f"{_FIELD}{mapping.emarsys} of {account.name}"
                fields.setdefault(column, []).append(told)
                if mapping.emarsys.isdigit():
                    raw = f"{RAW}.{raw_field_column(mapping.emarsys)}"
                    mapped[column] = tuple(dict.fromkeys((*mapped.get(column, ()), raw)))
    return fields
