"""Derives what the messaging side must be told of new, changed and retired persons.

Reads identities (the golden records), identity_members and identity_aliases, and earlier upserts;
writes contact_upserts, one row per identity whose golden record differs from what its newest
upsert tells. A second run adds nothing, because an upsert that exists is what the messaging side
is expected to know. Nothing makes it stop.

A row belongs to the window whose stitching last wrote the golden record, never to an earlier one
than the identity's row before: who reads the windows in order always ends with the newest record.
The id of an upsert is a hash of identity, content and predecessor (the upsert before it), so a
record that changes back gets an id of its own while a repeated run gives the same one.

Consent never travels this way. A property that is mapped from an account's opt-in field, or from
Emarsys's own e-mail opt-in, is left out.

There is no echo. An upsert changes the contact of the messaging side, and a webhook brings that
contact back; what comes back changes a golden record only where it says something new, and an
equal content is no upsert. The ids of messaging-side contacts are not content.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import duckdb

from emarsys_pipeline.clock import Clock, utc_now
from emarsys_pipeline.settings import AccountSettings
from emarsys_pipeline.stages.raw_segment_exports.errors import UnknownFieldError
from emarsys_pipeline.stages.raw_segment_exports.fields import (
    EMAIL_OPT_IN_FIELD_ID,
    EmarsysField,
    resolve_field,
)
from emarsys_pipeline.warehouse import Warehouse, load_sql, quote

MERGED_INTO = "merged_into"
"""The property of a retired identity that names the one its records belong to since."""

_TICK = datetime.resolution


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactUpsertsDerived:
    """What one derivation added, in rows.

    ``by_property`` counts new and changed rows by property; ``withheld`` names the mapped
    properties that hold consent.
    """

    new: int = 0
    changed: int = 0
    retired: int = 0
    by_property: Mapping[str, int] = field(default_factory=dict)
    withheld: Sequence[str] = ()

    @property
    def derived(self) -> int:
        """All rows added."""
        return self.new + self.changed + self.retired


def derive_contact_upserts(
    warehouse: Warehouse,
    *,
    accounts: Sequence[AccountSettings],
    properties: Iterable[str],
    run_id: str,
    now: Clock = utc_now,
) -> ContactUpsertsDerived:
    """Add the upserts that are missing, in a transaction of its own.

    Args and result as for :func:`add_contact_upserts`.
    """
    with warehouse.write() as connection:
        return add_contact_upserts(
            connection, accounts=accounts, properties=properties, run_id=run_id, now=now
        )


def add_contact_upserts(
    connection: duckdb.DuckDBPyConnection,
    *,
    accounts: Sequence[AccountSettings],
    properties: Iterable[str],
    run_id: str,
    now: Clock = utc_now,
) -> ContactUpsertsDerived:
    """Add the upserts that are missing, in this transaction.

    Args:
        connection: an open transaction of the warehouse.
        accounts: their mappings say which properties hold consent.
        properties: the mapped properties; those that identities has no column for yet are empty.
        run_id: written beside the rows.
        now: the clock; an upsert is never older than the one before it.
    """
    withheld = _consent_properties(connection, accounts)
    names = sorted(set(properties) & _columns_of_identities(connection) - withheld)
    ((latest,),) = connection.execute("select max(derived_at) from contact_upserts").fetchall()
    derived_at = now() if latest is None else max(now(), latest.astimezone(UTC) + _TICK)
    connection.execute(
        load_sql(
            __package__,
            "missing_upserts.sql",
            live_members=_members({name: _live_member(name) for name in names}, _NO_LONGER_MERGED),
            retired_members=_members(
                {name: _retired_member(name) for name in names}, _MERGED_INTO_MEMBER
            ),
        ),
        {"derived_at": derived_at, "run_id": run_id},
    )
    by_operation = dict(
        connection.execute(
            "select operation, count(*) from missing_upserts group by operation"
        ).fetchall()
    )
    by_property = dict(
        connection.execute(
            "select property, count(*) as upserts"
            " from (select unnest(changed_properties) as property from missing_upserts)"
            " group by property order by upserts desc, property"
        ).fetchall()
    )
    connection.execute("insert into contact_upserts by name from missing_upserts")
    connection.execute("drop table temp.missing_upserts")
    return ContactUpsertsDerived(
        **by_operation, by_property=by_property, withheld=tuple(sorted(withheld))
    )


def upserts_by_window(
    warehouse: Warehouse, window_starts: Sequence[datetime]
) -> dict[datetime, dict[str, int]]:
    """How many rows of each operation these windows hold by now."""
    held: dict[datetime, dict[str, int]] = {start: {} for start in window_starts}
    with warehouse.read() as connection:
        rows = connection.execute(
            "select window_start, operation, count(*) from contact_upserts"
            " where window_start in (select unnest($starts::timestamptz[]))"
            " group by window_start, operation",
            {"starts": list(window_starts)},
        ).fetchall()
    for window_start, operation, upserts in rows:
        held[window_start.astimezone(UTC)][operation] = upserts
    return held


def _columns_of_identities(connection: duckdb.DuckDBPyConnection) -> set[str]:
    return {name for name, *_ in connection.execute("describe identities").fetchall()}


def _consent_properties(
    connection: duckdb.DuckDBPyConnection, accounts: Sequence[AccountSettings]
) -> set[str]:
    """The properties that some account maps from a field that holds consent."""
    rows = connection.execute(
        "select account, field_id, name, string_id, application_type from emarsys_fields"
        " qualify rank() over (partition by account order by window_start desc) = 1"
    ).fetchall()
    fields: dict[str, list[EmarsysField]] = {}
    for account, field_id, name, string_id, application_type in rows:
        fields.setdefault(account, []).append(
            EmarsysField(
                field_id=field_id, name=name, string_id=string_id, application_type=application_type
            )
        )
    found: set[str] = set()
    for settings in accounts:
        known = fields.get(settings.name, [])
        consent = {EMAIL_OPT_IN_FIELD_ID}
        if settings.opt_in is not None:
            consent.add(_field_id(settings.name, settings.opt_in.field, known))
        found |= {
            mapping.property
            for mapping in settings.fields
            if _field_id(settings.name, mapping.emarsys, known) in consent
        }
    return found


def _field_id(account: str, reference: str, known: Sequence[EmarsysField]) -> str:
    """The id of the field that is meant; the reference itself when the account has no such."""
    try:
        return resolve_field(account, reference, known).field_id
    except UnknownFieldError:
        return reference.casefold()


_HAD_MERGED_INTO = f"json_exists(newest.properties, '$.\"{MERGED_INTO}\"')"
_NO_LONGER_MERGED = f"case when {_HAD_MERGED_INTO} then '\"{MERGED_INTO}\":null' end"
_MERGED_INTO_MEMBER = (
    f"'\"{MERGED_INTO}\":' || coalesce(to_json(aliases.identity_id)::varchar, 'null')"
)


def _members(members: Mapping[str, str], merged_into: str) -> str:
    """The JSON members in order of name; one that is an SQL null is left out by concat_ws."""
    ordered = sorted({**members, MERGED_INTO: merged_into}.items())
    return "".join(f", {expression}" for _, expression in ordered)


def _live_member(name: str) -> str:
    """The member with its value, or with null when it had one before."""
    column, key = f"identities.{quote(name)}", f'"{name}"'
    return (
        f"case when {column} is not null or {_was_told(name)} then '{key}:' ||"
        f" coalesce(to_json({column})::varchar, 'null') end"
    )


def _retired_member(name: str) -> str:
    """The member with null when it had a value before."""
    return f"case when {_was_told(name)} then '\"{name}\":null' end"


def _was_told(name: str) -> str:
    # Property names are lower-case letters, digits and _: nothing to escape.
    return f"coalesce(json_exists(newest.properties, '$.\"{name}\"'), false)"
