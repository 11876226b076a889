"""Finds mistakes in a field mapping before an import meets them; reads nothing itself."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from emarsys_pipeline.emarsys.errors import UnknownNameError
from emarsys_pipeline.emarsys.exports import MAX_FIELDS_PER_EXPORT
from emarsys_pipeline.emarsys.field_values import MAX_CHARACTERS
from emarsys_pipeline.emarsys.fields import (
    EMAIL_OPT_IN,
    MOBILE,
    NOT_EXPORTABLE_FIELDS,
    PHONE,
    READ_ONLY_FIELDS,
)
from emarsys_pipeline.emarsys.names import find_choice, find_field
from emarsys_pipeline.emarsys.records import Choice, Field

TEXT_TYPES = frozenset({"shorttext", "longtext", "largetext"})
PHONE_WORDS = ("phone", "mobile", "telefon", "handy", "whatsapp")
# Column types by the fields whose every value they can hold; varchar holds all.
FITTING_TYPES: Mapping[str, frozenset[str]] = {
    "double": frozenset({"numeric"}),
    "bigint": frozenset({"numeric"}),
    "date": frozenset({"date", "birthdate"}),
    "boolean": frozenset({"singlechoice", "unindexed singlechoice", "special"}),
    "varchar[]": frozenset({"multichoice", "interests"}),
}
# Fields that can hold anything, so that some of their values may fit.
OPEN_TYPES = TEXT_TYPES | {"singlechoice", "unindexed singlechoice", "special", "numeric"}
PHONE_REMEDY = f"Map {PHONE} (Phone) or {MOBILE} (Mobile)."


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedField:
    """One field of a mapping: what Emarsys is asked for, and what it becomes.

    ``data_type`` is the type of the column that receives it.
    """

    called: str
    property: str
    identifier: Literal["phone", "email"] | None = None
    data_type: str = "varchar"


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedOptIn:
    """The opt-in field of an account and the values written to it.

    ``choices`` are those of the field, if somebody chose a choice field; none are not checked.
    """

    called: str
    values: tuple[str, ...]
    choices: tuple[Choice, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """One mistake; an ``error`` makes imports or pushes fail, a ``warning`` makes them poorer."""

    severity: Literal["error", "warning"]
    message: str
    remedy: str


def lint_mapping(
    fields: Sequence[Field], mapping: Sequence[MappedField], opt_in: MappedOptIn | None = None
) -> list[Finding]:
    """All findings, in the order of the mapping.

    Args:
        fields: the account's fields.
        mapping: the fields to import.
        opt_in: the field to push opt-ins to, if there is one.
    """
    findings: list[Finding] = []
    if len(mapping) > MAX_FIELDS_PER_EXPORT:
        findings.append(
            Finding(
                "error",
                f"{len(mapping)} fields are mapped; an export holds {MAX_FIELDS_PER_EXPORT}",
                f"Map {MAX_FIELDS_PER_EXPORT} fields at most.",
            )
        )
    for mapped in mapping:
        findings.extend(_lint_field(fields, mapped))
    identifiers = {mapped.identifier for mapped in mapping}
    findings.extend(
        Finding(
            "warning",
            f"no field is mapped as {kind} identifier",
            f"Add identifier: {kind} to a field, so that contacts can be recognised by it.",
        )
        for kind in ("phone", "email")
        if kind not in identifiers
    )
    if opt_in is not None:
        findings.extend(_lint_opt_in(fields, opt_in))
    return findings


def _lint_field(fields: Sequence[Field], mapped: MappedField) -> Iterator[Finding]:
    try:
        field = find_field(fields, mapped.called)
    except UnknownNameError as error:
        yield Finding("error", str(error).removesuffix(f". {error.remedy}"), error.remedy)
        return
    named = f"{mapped.property}: field {field.id} ({field.name or field.string_id})"
    if field.id in NOT_EXPORTABLE_FIELDS:
        yield Finding("error", f"{named} is never exported by Emarsys", "Leave it out.")
    if field.id == EMAIL_OPT_IN and (
        mapped.identifier or any(word in mapped.property.casefold() for word in PHONE_WORDS)
    ):
        yield Finding("error", f"{named} is the e-mail opt-in, not a phone number", PHONE_REMEDY)
    elif mapped.identifier and field.application_type not in TEXT_TYPES:
        yield Finding(
            "error",
            f"{named} is of type {field.application_type}, but identifies by {mapped.identifier}",
            "Map a text field as identifier.",
        )
    yield from _lint_type(field, mapped, named)


def _lint_type(field: Field, mapped: MappedField, named: str) -> Iterator[Finding]:
    fitting = FITTING_TYPES.get(mapped.data_type)
    if fitting is None or field.application_type in fitting:
        return
    is_open = field.application_type in OPEN_TYPES
    yield Finding(
        "warning" if is_open else "error",
        f"{named} is of type {field.application_type}, but its column is {mapped.data_type}: "
        f"{'values that do not fit are' if is_open else 'every value is'} refused",
        f"Declare {mapped.property} as varchar under properties, or map another field.",
    )


def _lint_opt_in(fields: Sequence[Field], opt_in: MappedOptIn) -> Iterator[Finding]:
    try:
        field = find_field(fields, opt_in.called)
    except UnknownNameError as error:
        yield Finding("error", str(error).removesuffix(f". {error.remedy}"), error.remedy)
        return
    named = f"opt-in: field {field.id} ({field.name or field.string_id})"
    if field.id == EMAIL_OPT_IN:
        yield Finding(
            "error",
            f"{named} is the e-mail opt-in",
            "Make a text field of its own for this channel, and name it in opt_in.field.",
        )
    elif field.id in READ_ONLY_FIELDS:
        yield Finding("error", f"{named} is read-only", "Name a custom text field.")
    elif field.application_type not in TEXT_TYPES:
        yield Finding(
            "error",
            f"{named} is of type {field.application_type}, not a text field",
            "Name a custom text field.",
        )
        yield from _lint_choices(field, opt_in, named)
    limit = MAX_CHARACTERS.get(field.application_type)
    if limit is not None and any(len(value) > limit for value in opt_in.values):
        yield Finding(
            "error", f"{named} takes at most {limit} characters", "Write shorter opt-in values."
        )


def _lint_choices(field: Field, opt_in: MappedOptIn, named: str) -> Iterator[Finding]:
    for value in opt_in.values if field.has_choices and opt_in.choices else ():
        try:
            find_choice(field, opt_in.choices, value)
        except UnknownNameError as error:
            yield Finding(
                "error",
                f"{named}, {value!r}: {str(error).removesuffix(f'. {error.remedy}')}",
                error.remedy,
            )
