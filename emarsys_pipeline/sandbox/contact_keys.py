"""Key fields: which contacts a key value names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from emarsys_pipeline.sandbox.catalogue import Catalogue
from emarsys_pipeline.sandbox.replies import ApiError

EMAIL = 3
# E-mail addresses are compared in this form. Its hash is kept in contacts.email_hash, because
# forming it anew for half a million contacts would make every request by e-mail slow.
_EMAIL_KEY = "lower(trim({}))"


def email_hash(expression: str) -> str:
    """Return SQL for the value of ``contacts.email_hash`` that belongs to an address."""
    return f"md5_number_lower({_EMAIL_KEY.format(expression)})"


@dataclass(frozen=True, slots=True)
class KeyField:
    """A field that names contacts: ``name`` is as the client wrote it, for error texts."""

    name: str
    column: str
    field_id: int | None

    def normalise(self, value: Any) -> str:
        """Return a key value as it is compared; e-mail addresses without case."""
        text = str(value)
        return text.strip().lower() if self.field_id == EMAIL else text

    def key_of(self, contact: dict[str, Any], catalogue: Catalogue) -> Any:
        """Return the key value in a contact document; None when it is absent."""
        if self.name in contact:
            return contact[self.name]
        for name, value in contact.items():
            field = catalogue.find(name)
            if field is not None and field.field_id == self.field_id:
                return value
        return None


def find_key_field(catalogue: Catalogue, reference: Any, default: str) -> KeyField:
    """Return the key field that a request names.

    Raises:
        ApiError: 400 with 2004 when it is not a field.
    """
    text = str(default if reference in (None, "") else reference)
    if text in ("id", "uid"):
        return KeyField(text, text, None)
    field = catalogue.find(text)
    if field is None:
        raise ApiError(400, 2004, f"Invalid key field id: {text}")
    return KeyField(text, field.column, field.field_id)


def find_contacts(
    connection: duckdb.DuckDBPyConnection, key: KeyField, values: Sequence[Any]
) -> dict[str, list[int]]:
    """Return contact ids by normalised key value; values that no contact holds are absent."""
    wanted = list(dict.fromkeys(key.normalise(value) for value in values))
    if key.column == "id":
        numbers = [int(value) for value in wanted if value.isascii() and value.isdigit()]
        rows = connection.execute(
            "select id::varchar, id from contacts where id in (select unnest($1::bigint[]))",
            [[number for number in numbers if number < 2**62]],
        ).fetchall()
        by_number = {int(text): [number] for text, number in rows}
        return {
            value: by_number[int(value)]
            for value in wanted
            if value.isascii() and value.isdigit() and int(value) in by_number
        }
    shown, compared, wished = key.column, key.column, "value"
    if key.field_id == EMAIL:
        shown, compared, wished = _EMAIL_KEY.format("f_3"), "email_hash", email_hash("value")
    rows = connection.execute(
        f"select {shown}, id from contacts where {compared} in"  # noqa: S608 - columns of ours
        f" (select {wished} from (select unnest($1::varchar[]) as value)) order by id",
        [wanted],
    ).fetchall()
    found: dict[str, list[int]] = {}
    for value, contact_id in rows:
        found.setdefault(value, []).append(contact_id)
    return found
