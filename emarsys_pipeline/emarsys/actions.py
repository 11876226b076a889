"""The seven actions that people take on one account, as functions over the client.

Fields are named by id, string id or name, choices by id or label, events by id or name. A name
that does not exist is answered with the nearest ones (``UnknownNameError``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from emarsys_pipeline.emarsys.client import EmarsysClient
from emarsys_pipeline.emarsys.errors import ContactFailedError, UnusableValueError
from emarsys_pipeline.emarsys.field_values import encode_value, label_value
from emarsys_pipeline.emarsys.names import find_event, find_field, find_key_field
from emarsys_pipeline.emarsys.records import Choice, Field, Value

SINGLE_CHOICE_TYPES = frozenset({"singlechoice", "unindexed singlechoice"})
MULTI_CHOICE_TYPES = frozenset({"multichoice", "interests"})


@dataclass(frozen=True, slots=True)
class FieldValue:
    """One field of a contact; choice fields hold ids, or labels when these were asked for."""

    field_id: str
    name: str
    string_id: str
    value: Value = field(repr=False)


@dataclass(frozen=True, slots=True)
class ContactRead:
    """One contact, its values in the order of the fields asked for."""

    contact_id: str
    values: tuple[FieldValue, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON: values by string id, by field id where a field has none."""
        return {
            "contact_id": self.contact_id,
            "values": {item.string_id or item.field_id: item.value for item in self.values},
        }


@dataclass(frozen=True, slots=True)
class ContactWritten:
    """One contact that was updated or created, and the ids of the fields written."""

    contact_id: str
    field_ids: tuple[str, ...]


def get_contact(
    client: EmarsysClient,
    *,
    key_field: str,
    key: str,
    fields: Sequence[str] = (),
    language: str = "en",
) -> ContactRead:
    """Read one contact; no ``fields`` means all of them.

    Raises:
        ContactFailedError: no contact, or several, have this key.
    """
    contact, wanted = _read(client, key_field, key, fields, language)
    return _contact_read(contact, wanted)


def get_contact_with_labels(
    client: EmarsysClient,
    *,
    key_field: str,
    key: str,
    fields: Sequence[str] = (),
    language: str = "en",
) -> ContactRead:
    """The same, with labels in ``language`` instead of ids in every choice field."""
    contact, wanted = _read(client, key_field, key, fields, language)
    choice_fields = [item.id for item in wanted if item.has_choices and contact.get(item.id)]
    choices = client.list_choices(choice_fields, language) if choice_fields else {}
    labelled = {
        **contact,
        **{
            field_id: label_value(contact[field_id], field_choices)
            for field_id, field_choices in choices.items()
            if field_id in contact
        },
    }
    return _contact_read(labelled, wanted)


def update_contact(
    client: EmarsysClient,
    *,
    key_field: str,
    key: str,
    values: Mapping[str, str | Sequence[str] | None],
    create: bool = True,
    language: str = "en",
) -> ContactWritten:
    """Write fields of one contact, which is made if it does not exist and ``create`` says so.

    None or an empty text clears a field. Multi choice takes a list or labels joined by commas.

    Raises:
        ContactFailedError: Emarsys refused this contact.
        UnusableValueError: a field cannot take its value, or is read-only.
    """
    if not values:
        raise UnusableValueError("no field values were given")
    account_fields = client.list_fields(language)
    key_id = find_key_field(account_fields, key_field)
    targets = {find_field(account_fields, name): value for name, value in values.items()}
    choice_fields = [target.id for target in targets if target.has_choices]
    choices = client.list_choices(choice_fields, language) if choice_fields else {}
    contact = {
        target.id: encode_value(target, value, choices.get(target.id, []))
        for target, value in targets.items()
    }
    written = [{**contact, key_id: key}]
    result = client.update_contacts(written, key_field=key_id, create_missing=create)
    if any(error.is_retryable for error in result.errors.values()):
        # two upserts of one new key can meet; the second attempt finds the contact
        result = client.update_contacts(written, key_field=key_id, create_missing=create)
    for error in result.errors.values():
        raise ContactFailedError(
            action="update contact",
            code=error.code,
            text=error.text,
            is_retryable=error.is_retryable,
        )
    return ContactWritten(result.updated[0] if result.updated else "", tuple(contact))


def list_fields(client: EmarsysClient, *, language: str = "en") -> list[Field]:
    """All fields of the account."""
    return client.list_fields(language)


def list_single_choices(client: EmarsysClient, *, field: str, language: str = "en") -> list[Choice]:
    """The choices of a single choice field."""
    found = _field_of_type(client, field, language, SINGLE_CHOICE_TYPES, "single choice")
    return client.list_single_choices(found.id, language)


def list_multi_choices(client: EmarsysClient, *, field: str, language: str = "en") -> list[Choice]:
    """The choices of a multi choice field."""
    found = _field_of_type(client, field, language, MULTI_CHOICE_TYPES, "multi choice")
    return client.list_choices([found.id], language)[found.id]


def trigger_event(
    client: EmarsysClient,
    *,
    event: str,
    key_field: str,
    key: str,
    data: Mapping[str, Any] | None = None,
    trigger_id: str | None = None,
    language: str = "en",
) -> str:
    """Trigger an external event for one contact; returns the event's id.

    An event given by its id is not looked up, so that ``externalevent.list`` is not needed; the
    same holds for a key field given by its id.
    """
    event_id = event if event.isdigit() else find_event(client.list_events(), event).id
    fields = [] if key_field.isdigit() else client.list_fields(language)
    key_id = key_field if key_field.isdigit() else find_key_field(fields, key_field)
    client.trigger_event(event_id, key, key_field=key_id, data=data, trigger_id=trigger_id)
    return event_id


def _read(
    client: EmarsysClient, key_field: str, key: str, fields: Sequence[str], language: str
) -> tuple[dict[str, Any], list[Field]]:
    account_fields = client.list_fields(language)
    key_id = find_key_field(account_fields, key_field)
    wanted = [find_field(account_fields, name) for name in fields] or account_fields
    found = client.get_contacts([key], key_field=key_id, fields=[item.id for item in wanted])
    for error in found.errors.values():
        raise ContactFailedError(
            action="get contact", code=error.code, text=error.text, is_retryable=error.is_retryable
        )
    if not found.contacts:
        raise ContactFailedError(
            action="get contact", code=2008, text="no contact has this key", is_retryable=False
        )
    return found.contacts[0], list(dict.fromkeys(wanted))


def _contact_read(contact: Mapping[str, Any], wanted: Sequence[Field]) -> ContactRead:
    return ContactRead(
        contact_id=str(contact.get("id") or ""),
        values=tuple(
            FieldValue(item.id, item.name, item.string_id, contact.get(item.id)) for item in wanted
        ),
    )


def _field_of_type(
    client: EmarsysClient, called: str, language: str, types: frozenset[str], kind: str
) -> Field:
    found = find_field(client.list_fields(language), called)
    if found.application_type not in types:
        raise UnusableValueError(
            f"the field {found.name or found.id} is of type {found.application_type}, not {kind}",
            remedy="List the available fields to see their types.",
        )
    return found
