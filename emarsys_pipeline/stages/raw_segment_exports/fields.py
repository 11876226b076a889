"""Which Emarsys fields an account's mapping means, and by which call each is fetched.

Pure: from the account's field list and settings to a plan. Fetching is in catalogue.py.
"""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from emarsys_pipeline.settings import AccountSettings, FieldMapping
from emarsys_pipeline.stages.raw_segment_exports.errors import UnknownFieldError

COUNTRY_FIELD_ID = "14"
"""The contact's country, which phone numbers without a country code belong to."""

EMAIL_OPT_IN_FIELD_ID = "31"
"""Of type special, but exports write True and False for the ids 1 and 2, like a choice field."""

MAX_FIELDS_PER_EXPORT = 20
"""Emarsys's limit on contact_fields."""

SINGLE_CHOICE_TYPES = frozenset({"singlechoice", "unindexed singlechoice"})
MULTI_CHOICE_TYPES = frozenset({"multichoice", "interests"})

# Emarsys refuses these in exports; interests are a list, which exports write as joined labels.
_NEVER_EXPORTED = frozenset({"0", "27", "28", "29", "32", "33"})


@dataclass(frozen=True, slots=True, kw_only=True)
class EmarsysField:
    """One field of an account."""

    field_id: str
    name: str | None
    string_id: str | None
    application_type: str

    @property
    def is_single_choice(self) -> bool:
        """Whether exports write a label where getdata gives a choice id."""
        return (
            self.application_type in SINGLE_CHOICE_TYPES or self.field_id == EMAIL_OPT_IN_FIELD_ID
        )

    @property
    def is_multi_choice(self) -> bool:
        """Whether the value is a list of choice ids."""
        return self.application_type in MULTI_CHOICE_TYPES

    @property
    def is_exportable(self) -> bool:
        """Whether an export gives the value in a form that can be read back."""
        return not self.is_multi_choice and self.field_id not in _NEVER_EXPORTED


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedField:
    """A field of the account and the mapping that named it."""

    field: EmarsysField
    mapping: FieldMapping


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldPlan:
    """What to ask of Emarsys: every field once, in the order of the mapping.

    Attributes:
        fields: all that are fetched.
        exported: the fields of each export, at most 20; empty when single choice fields alone
            fill it, which leaves no way but getdata, where they are ids.
        looked_up: the fields that only getdata gives: multi choice, and those beyond the 20.
        identifying: exported text fields by whose values an export without contact ids is
            matched to contacts.
    """

    fields: tuple[EmarsysField, ...]
    exported: tuple[EmarsysField, ...]
    looked_up: tuple[EmarsysField, ...]
    identifying: tuple[EmarsysField, ...]

    @property
    def field_ids(self) -> tuple[str, ...]:
        """The ids of all fields."""
        return tuple(field.field_id for field in self.fields)

    @property
    def exported_ids(self) -> tuple[str, ...]:
        """The ids of the fields of each export."""
        return tuple(field.field_id for field in self.exported)

    @property
    def looked_up_ids(self) -> tuple[str, ...]:
        """The ids of the fields that only getdata gives."""
        return tuple(field.field_id for field in self.looked_up)

    @property
    def identifying_ids(self) -> tuple[str, ...]:
        """The ids of the fields that tell contacts apart."""
        return tuple(field.field_id for field in self.identifying)

    @property
    def choice_field_ids(self) -> tuple[str, ...]:
        """The ids of the choice fields whose labels Emarsys can list."""
        return tuple(
            field.field_id
            for field in self.fields
            if field.application_type in SINGLE_CHOICE_TYPES or field.is_multi_choice
        )


def resolve_field(account: str, reference: str, fields: Sequence[EmarsysField]) -> EmarsysField:
    """The field that a reference means: by id, else by string id, else by name.

    Raises:
        UnknownFieldError: none has it, or several have that name.
    """
    wanted = reference.casefold()
    for found in (
        [field for field in fields if field.field_id == reference],
        [field for field in fields if (field.string_id or "").casefold() == wanted],
        [field for field in fields if (field.name or "").casefold() == wanted],
    ):
        if len(found) == 1:
            return found[0]
        if found:
            ids = ", ".join(sorted(field.field_id for field in found))
            raise UnknownFieldError(
                f'account {account} has {len(found)} fields named "{reference}": {ids}',
                "Write the id of the right one in the settings; until then the last imported "
                "values are kept",
            )
    nearest = _nearest(wanted, fields)
    raise UnknownFieldError(
        f'account {account} has no field with the id, string id or name "{reference}"'
        + (f"; the nearest are {nearest}" if nearest else ""),
        "If it was renamed or deleted in Emarsys, correct the mapping in the settings; until then "
        "the last imported values are kept",
    )


def resolve_mapping(
    account: AccountSettings, fields: Sequence[EmarsysField]
) -> tuple[MappedField, ...]:
    """The mapped fields in the order of the settings.

    Raises:
        UnknownFieldError: a field is not in the account, is ambiguous, or is mapped twice.
    """
    mapped: dict[str, MappedField] = {}
    for mapping in account.fields:
        field = resolve_field(account.name, mapping.emarsys, fields)
        if field.field_id in mapped:
            twice = mapped[field.field_id].mapping.emarsys
            raise UnknownFieldError(
                f'account {account.name} maps field {field.field_id} twice, as "{twice}" and as '
                f'"{mapping.emarsys}"',
                "Remove one of the two from the settings",
            )
        mapped[field.field_id] = MappedField(field=field, mapping=mapping)
    return tuple(mapped.values())


def plan_fields(account: AccountSettings, fields: Sequence[EmarsysField]) -> FieldPlan:
    """Decide what to fetch: the mapped fields, the country and the opt-in field.

    Raises:
        UnknownFieldError: a mapped field or the opt-in field is not in the account.
    """
    mapped = resolve_mapping(account, fields)
    wanted = {item.field.field_id: item.field for item in mapped}
    extra = [field for field in fields if field.field_id == COUNTRY_FIELD_ID]
    if account.opt_in is not None:
        extra.append(resolve_field(account.name, account.opt_in.field, fields))
    for field in extra:
        wanted.setdefault(field.field_id, field)
    exported = _within_one_export(wanted.values(), mapped)
    exported_ids = {field.field_id for field in exported}
    return FieldPlan(
        fields=tuple(wanted.values()),
        exported=exported,
        looked_up=tuple(
            field for field_id, field in wanted.items() if field_id not in exported_ids
        ),
        identifying=tuple(
            item.field
            for item in mapped
            if item.mapping.identifier is not None and item.field.field_id in exported_ids
        ),
    )


def _within_one_export(
    wanted: Iterable[EmarsysField], mapped: Sequence[MappedField]
) -> tuple[EmarsysField, ...]:
    """At most 20 fields: every single choice field, since getdata gives ids, and an identifier.

    None when these do not fit together: what comes in two answers must have a value in common.
    """
    exportable = [field for field in wanted if field.is_exportable]
    identifiers = {item.field.field_id for item in mapped if item.mapping.identifier is not None}
    by_need = sorted(
        exportable,
        key=lambda field: (not field.is_single_choice, field.field_id not in identifiers),
    )
    taken, left = by_need[:MAX_FIELDS_PER_EXPORT], by_need[MAX_FIELDS_PER_EXPORT:]
    if any(field.is_single_choice for field in left):
        return ()
    if left and not any(field.field_id in identifiers for field in taken):
        return ()
    return tuple(field for field in exportable if field in taken)


def _nearest(wanted: str, fields: Sequence[EmarsysField]) -> str:
    known = {
        name.casefold(): f'"{name}" ({field.field_id})'
        for field in fields
        for name in (field.string_id, field.name)
        if name
    }
    return ", ".join(known[name] for name in difflib.get_close_matches(wanted, known, n=3))
