"""Turns what people write into what a field takes, and choice ids into labels."""

from collections.abc import Sequence
from datetime import date

from emarsys_pipeline.emarsys.errors import UnusableValueError
from emarsys_pipeline.emarsys.fields import EMAIL_OPT_IN, READ_ONLY_FIELDS
from emarsys_pipeline.emarsys.names import find_choice
from emarsys_pipeline.emarsys.records import Choice, Field, Value

# "1" true, "2" false; words are refused by Emarsys
OPT_IN_VALUES = {"1": "1", "true": "1", "yes": "1", "2": "2", "false": "2", "no": "2"}
DATE_TYPES = frozenset({"date", "birthdate"})
MAX_CHARACTERS = {"shorttext": 60, "longtext": 255, "url": 255}


def encode_value(
    field: Field, value: str | Sequence[str] | None, choices: Sequence[Choice]
) -> str | list[str] | None:
    """The value as a write takes it: choice ids, dates as YYYY-MM-DD, None to clear.

    Raises:
        UnusableValueError: the field is read-only or cannot take the value.
        UnknownNameError: no choice is called so.
    """
    if field.id in READ_ONLY_FIELDS:
        raise UnusableValueError(f"{_named(field)} is read-only", remedy="Leave this field out.")
    if field.application_type == "multichoice":
        return _encode_multi_choice(field, value, choices)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise UnusableValueError(f"{_named(field)} takes one value, not a list")
    if field.has_choices:
        return find_choice(field, choices, value).id
    return _encode_text(field, value)


def label_value(value: Value, choices: Sequence[Choice]) -> Value:
    """The value with ids replaced by labels; an id without a label stays."""
    labels = {choice.id: choice.label for choice in choices}
    if isinstance(value, list):
        return [labels.get(item, item) for item in value]
    return None if value is None else labels.get(value, value)


def _encode_multi_choice(
    field: Field, value: str | Sequence[str] | None, choices: Sequence[Choice]
) -> list[str]:
    items = value.split(",") if isinstance(value, str) else list(value or [])
    items = [item for item in items if item.strip()]
    if not items:
        raise UnusableValueError(
            f"{_named(field)} cannot be emptied through the API", remedy="Give at least one choice."
        )
    return list(dict.fromkeys(find_choice(field, choices, item).id for item in items))


def _encode_text(field: Field, value: str) -> str:
    if field.id == EMAIL_OPT_IN:
        if value.strip().casefold() not in OPT_IN_VALUES:
            raise UnusableValueError(
                f"{_named(field)} takes true or false", remedy="31 is the e-mail opt-in, no phone."
            )
        return OPT_IN_VALUES[value.strip().casefold()]
    if field.application_type in DATE_TYPES:
        try:
            return date.fromisoformat(value.strip()).isoformat()
        except ValueError:
            raise UnusableValueError(
                f"{_named(field)} takes a date", remedy="Write it as YYYY-MM-DD."
            ) from None
    limit = MAX_CHARACTERS.get(field.application_type)
    if limit is not None and len(value) > limit:
        raise UnusableValueError(
            f"{_named(field)} takes at most {limit} characters, not {len(value)}"
        )
    return value


def _named(field: Field) -> str:
    return f"the field {field.name or field.string_id or field.id} ({field.id})"
