"""Creates, updates and deletes contacts, with Emarsys's errors for each contact."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import duckdb

from emarsys_pipeline.sandbox.contact_keys import EMAIL, KeyField, email_hash, find_contacts
from emarsys_pipeline.sandbox.field_values import FieldValueError, checked_values
from emarsys_pipeline.sandbox.state import State, append_field_writes, next_id, utc_now

# What a contact document may hold besides fields.
NOT_FIELDS = frozenset(
    {"key_id", "source_id", "contact_list_id", "contacts", "create_if_not_exists"}
)
NO_KEY = "<NO_KEY_ID>"
_FIRST_NEW_CONTACT_ID = 90_000_001


@dataclass(slots=True)
class WriteOutcome:
    """What became of each contact, in the order sent: strings for updated ids, ints for created."""

    ids: list[str | int] = field(default_factory=list)
    errors: dict[str, dict[str, str]] = field(default_factory=dict)

    def refuse(self, key: str, code: int, text: str) -> None:
        """Note the refusal of one contact."""
        self.errors.setdefault(key, {})[str(code)] = text


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """Contacts to write: what is common to all of them."""

    key: KeyField
    contacts: list[dict[str, Any]]
    number: int
    may_create: bool
    may_update: bool
    injected: Mapping[int, tuple[int, str]] = field(default_factory=dict)


def write_contacts(state: State, request: WriteRequest) -> WriteOutcome:
    """Apply contacts in the order sent, in one transaction; a refused one stops no other."""
    with state.write() as connection:
        return _Writer(state, connection, request).run()


class _Writer:
    def __init__(
        self, state: State, connection: duckdb.DuckDBPyConnection, request: WriteRequest
    ) -> None:
        self.state = state
        self.connection = connection
        self.request = request
        self.outcome = WriteOutcome()
        keys = (request.key.key_of(c, state.catalogue) for c in request.contacts)
        self.known = find_contacts(
            connection,
            request.key,
            [key for key in keys if key not in (None, "") and not isinstance(key, (list, dict))],
        )
        self.updates: dict[int, dict[int, str | None]] = {}
        self.created: list[int] = []
        self.origins: dict[int, str] = {}
        self.writes: list[tuple[int, int, str | None]] = []
        self.next_contact_id = next_id(connection, "contacts", "id", _FIRST_NEW_CONTACT_ID)

    def run(self) -> WriteOutcome:
        """Write everything and return what became of it."""
        for index, contact in enumerate(self.request.contacts):
            self._one(index, contact)
        self._insert_created()
        apply_values(self.connection, self.updates)
        append_field_writes(self.connection, self.writes, request=self.request.number, source="api")
        record_changes(self.connection, self.origins)
        return self.outcome

    def _one(self, index: int, contact: dict[str, Any]) -> None:
        key = self.request.key
        value = key.key_of(contact, self.state.catalogue)
        if isinstance(value, (list, dict)):
            self.outcome.refuse(NO_KEY, 2005, f"Invalid key field value: {key.name}")
            return
        if value in (None, ""):
            self.outcome.refuse(NO_KEY, 2004, f"Invalid key field id: {key.name}")
            return
        if index in self.request.injected:
            self.outcome.refuse(str(value), *self.request.injected[index])
            return
        ids = self.known.get(key.normalise(value), [])
        refused = self._refusal(ids, value) or _source_refusal(contact)
        if refused is not None:
            self.outcome.refuse(str(value), *refused)
            return
        ignored = NOT_FIELDS | {key.name}
        try:
            values = checked_values(self.state.catalogue, contact, ignored)
        except FieldValueError as error:
            self.outcome.refuse(str(value), error.code, error.text)
            return
        if ids:
            contact_id = ids[0]
            self.outcome.ids.append(str(contact_id))
        else:
            contact_id = self._create(key.normalise(value))
            self.outcome.ids.append(contact_id)
            if key.field_id is not None:
                values = {key.field_id: str(value), **values}
        self.updates.setdefault(contact_id, {}).update(values)
        self.origins[contact_id] = str(contact.get("source_id", "0"))
        self.writes.extend((contact_id, field_id, text) for field_id, text in values.items())

    def _refusal(self, ids: list[int], value: Any) -> tuple[int, str] | None:
        name = self.request.key.name
        if len(ids) > 1:
            return 2010, f"More contacts found with the external id: {name} - {value}"
        if ids and not self.request.may_update:
            code = int(self.state.setting("existing_contact_code"))
            return code, f"Contact with the external id already exists: {name}"
        if not ids and (not self.request.may_create or name in ("id", "uid")):
            return 2008, f"No contact found with the external id: {name} - {value}"
        return None

    def _create(self, key_value: str) -> int:
        contact_id = self.next_contact_id
        self.next_contact_id += 1
        self.created.append(contact_id)
        self.known[key_value] = [contact_id]
        return contact_id

    def _insert_created(self) -> None:
        if not self.created:
            return
        # A contact that a client made is a person of its own: its id stands for its row.
        self.connection.execute(
            "insert into contacts (id, uid, row_number, person, created_at)"
            " select unnest($ids), unnest($uids), unnest($ids), unnest($ids), $moment",
            {
                "ids": self.created,
                "uids": [secrets.token_hex(5) for _ in self.created],
                "moment": utc_now(),
            },
        )


def _source_refusal(contact: dict[str, Any]) -> tuple[int, str] | None:
    source = contact.get("source_id")
    if source is None or str(source).isdigit():
        return None
    return 2013, "Invalid source id"


def apply_values(
    connection: duckdb.DuckDBPyConnection, updates: Mapping[int, Mapping[int, str | None]]
) -> None:
    """Set field values by contact id and field id; contacts with the same fields go together."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for contact_id, values in updates.items():
        if values:
            groups.setdefault(tuple(sorted(values)), []).append(contact_id)
    for field_ids, contact_ids in groups.items():
        columns = ", ".join(f"f_{number} = given.v_{number}" for number in field_ids)
        if EMAIL in field_ids:
            columns += f", email_hash = {email_hash(f'given.v_{EMAIL}')}"
        given = ", ".join(f"unnest($v_{number}::varchar[]) as v_{number}" for number in field_ids)
        parameters: dict[str, Any] = {"ids": contact_ids}
        for number in field_ids:
            parameters[f"v_{number}"] = [updates[contact][number] for contact in contact_ids]
        connection.execute(
            f"update contacts set {columns}"  # noqa: S608 - columns of ours
            f" from (select unnest($ids) as id, {given}) as given where contacts.id = given.id",
            parameters,
        )


def record_changes(
    connection: duckdb.DuckDBPyConnection, origins: Mapping[int, str], origin: str = "api"
) -> None:
    """Note contacts as changed now, so that getchanges reports them."""
    if origins:
        connection.execute(
            "insert into changes select unnest($ids), $moment, $origin, unnest($sources)",
            {
                "ids": list(origins),
                "sources": list(origins.values()),
                "moment": utc_now(),
                "origin": origin,
            },
        )


def delete_contacts(connection: duckdb.DuckDBPyConnection, contact_ids: Iterable[int]) -> None:
    """Remove contacts and everything that hangs on them; deletions do not appear in getchanges."""
    ids = list(contact_ids)
    for table, column in (
        ("contacts", "id"),
        ("memberships", "contact_id"),
        ("contact_list_members", "contact_id"),
        ("changes", "contact_id"),
    ):
        connection.execute(
            f"delete from {table} where {column} in (select unnest($1::bigint[]))",  # noqa: S608
            [ids],
        )
