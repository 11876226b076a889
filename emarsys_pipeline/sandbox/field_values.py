"""Values that clients write to contact fields: checked, and brought to the stored form."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from emarsys_pipeline.sandbox.catalogue import AccountField, Catalogue

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_MAX_CHARACTERS = {"shorttext": 60, "longtext": 255, "url": 255}
_OPT_IN = 31


class FieldValueError(Exception):
    """A value or a field that Emarsys refuses, with the code and text of the refusal."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text


def stored_value(field: AccountField, value: Any) -> str | None:
    """Return a value as the account stores it; None clears the field.

    Raises:
        FieldValueError: Emarsys would refuse the value.
    """
    if field.is_read_only:
        raise FieldValueError(2006, f"Invalid field id: {field.field_id}")
    if field.application_type == "multichoice":
        return _multi_choice(field, value)
    if isinstance(value, (list, dict)):
        raise FieldValueError(
            2007, f"Invalid data format for field id: {field.field_id}. Scalar expected"
        )
    if value is None or value == "":
        return None
    text = ("1" if value else "0") if isinstance(value, bool) else str(value)
    if field.field_id == _OPT_IN:
        # Words such as "true" are refused, and so is a JSON boolean.
        if isinstance(value, bool) or text not in ("1", "2"):
            raise FieldValueError(2007, f"Invalid choice id for field id: {field.field_id}")
        return text
    if field.application_type in ("singlechoice", "unindexed singlechoice"):
        return _choice(field, text)
    if field.application_type in ("date", "birthdate"):
        return _date(field, text)
    if field.application_type == "numeric":
        return _number(field, text)
    # Longer text is cut, as a database column of this width does.
    return text[: _MAX_CHARACTERS.get(field.application_type, len(text))]


def _choice(field: AccountField, text: str) -> str:
    if text not in {str(choice.choice_id) for choice in field.choices}:
        raise FieldValueError(2007, f"Invalid choice id for field id: {field.field_id}")
    return text


def _multi_choice(field: AccountField, value: Any) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, list):
        raise FieldValueError(
            2007, f"Invalid data format for field id: {field.field_id}. Array expected"
        )
    if not value:
        raise FieldValueError(2007, f"No choice provided for field id: {field.field_id}")
    return ",".join(dict.fromkeys(_choice(field, str(item)) for item in value))


def _date(field: AccountField, text: str) -> str:
    refused = FieldValueError(2007, f"Invalid date format for field id: {field.field_id}")
    if not _DATE.fullmatch(text):
        raise refused
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise refused from error


def _number(field: AccountField, text: str) -> str:
    try:
        float(text)
    except ValueError as error:
        raise FieldValueError(
            2007, f"Invalid data format for field id: {field.field_id}"
        ) from error
    return text


def checked_values(
    catalogue: Catalogue, contact: dict[str, Any], ignored: frozenset[str]
) -> dict[int, str | None]:
    """Return the stored values of a contact document by field id.

    Raises:
        FieldValueError: a field is unknown or a value is refused.
    """
    values: dict[int, str | None] = {}
    for name, value in contact.items():
        if name in ignored:
            continue
        if name in ("id", "uid"):
            raise FieldValueError(2007, f"Cannot set {name}")
        if name == "":
            raise FieldValueError(2006, f"Empty field id for value: {value}")
        field = catalogue.find(name)
        if field is None:
            raise FieldValueError(2006, f"Invalid field id: {name}")
        values[field.field_id] = stored_value(field, value)
    return values


def shown_value(field: AccountField, stored: str | None) -> Any:
    """Return a stored value as getdata shows it: multi choice as a list of integers."""
    if stored is not None and field.application_type == "multichoice":
        return [int(item) for item in stored.split(",")]
    return stored
