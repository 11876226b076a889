"""Brings the many shapes of Emarsys's JSON into one: ids, maps, values, per-contact errors."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from emarsys_pipeline.emarsys.masking import mask_personal_data
from emarsys_pipeline.emarsys.records import ContactError, Value

T = TypeVar("T")

ALREADY_EXISTS = 2009
INVALID_FIELD = 2006  # also used, with another text, for "already exists"
# 1, 1003, 2011: internal and database errors; 2009: two upserts of one new key met
RETRYABLE_CONTACT_CODES = frozenset({1, 1003, 2011, ALREADY_EXISTS})
UNKNOWN_CODE = -1


def as_id(value: object) -> str:
    """An id as text, whether Emarsys sent a string or an integer."""
    return str(value)


def as_list(value: object) -> list[Any]:
    """A list; null, false, ``""`` and missing are empty ones."""
    return list(value) if isinstance(value, list) else []


def as_map(value: object) -> dict[str, Any]:
    """A map; PHP's empty map arrives as a list."""
    return {str(key): item for key, item in value.items()} if isinstance(value, dict) else {}


def as_value(value: object) -> Value:
    """A field's value: null and empty text are None, lists keep their order, the rest is text."""
    if value is None or value in ("", []):
        return None
    if isinstance(value, list):
        return [str(item) for item in value]
    return str(value)


def contact_errors(value: object) -> dict[str, ContactError]:
    """Errors by key value, from a map ``{key: {code: text}}`` or a list of objects."""
    if isinstance(value, list):
        return {
            str(item.get("key")): _contact_error(
                str(item.get("key")), item.get("errorCode"), item.get("errorMsg")
            )
            for item in value
            if isinstance(item, dict)
        }
    errors = {}
    for key, reasons in as_map(value).items():
        code, text = next(iter(as_map(reasons).items()), (None, reasons))
        errors[key] = _contact_error(key, code, text)
    return errors


def chunks(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """``values`` in order, ``size`` at a time."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def field_ids_as_numbers(field_ids: Iterable[str]) -> list[int | str]:
    """Field ids as the API takes them in bodies: numbers where they are."""
    return [int(field_id) if field_id.isdigit() else field_id for field_id in field_ids]


def errors_of(data: object) -> Mapping[str, ContactError]:
    """The ``errors`` of a reply's data, which may be any JSON value."""
    return contact_errors(as_map(data).get("errors"))


def _contact_error(key: str, code: object, text: object) -> ContactError:
    number = int(str(code)) if str(code).lstrip("-").isdigit() else UNKNOWN_CODE
    words = str(text or "")
    is_retryable = number in RETRYABLE_CONTACT_CODES or (
        number == INVALID_FIELD and "already exists" in words
    )
    return ContactError(number, mask_personal_data(words, key), is_retryable)
