"""The account's fields and choices: two CSV files, loaded into tables, read back as objects."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import Any

import duckdb

CHOICE_TYPES = ("singlechoice", "multichoice", "unindexed singlechoice")
GERMAN = ("de",)
# The codes of the API's own list; not ISO throughout (cz, dk, jp, cn, bp, sc).
LANGUAGES = frozenset(
    {"ar", "bg", "bp", "cn", "cz", "de", "dk", "el", "en", "es", "et", "fi", "fr", "he",
     "hi", "hr", "hu", "it", "jp", "ko", "lt", "lv", "mk", "mo", "mx", "nl", "no", "pl",
     "pr", "pt", "ro", "ru", "sc", "sk", "sl", "sr", "sv", "th", "tr", "uk", "vi"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice of a field, with its place in the display order."""

    choice_id: int
    label: str
    label_de: str
    bit_position: int | None

    def text(self, language: str) -> str:
        """Return the label in a language; English where there is no translation."""
        return self.label_de if language in GERMAN else self.label


@dataclass(frozen=True, slots=True)
class AccountField:
    """One field of the account with its choices, if it has any."""

    field_id: int
    name: str
    name_de: str
    application_type: str
    string_id: str
    is_read_only: bool
    choices: tuple[Choice, ...]

    def label(self, language: str) -> str:
        """Return the name in a language; English where there is no translation."""
        return self.name_de if language in GERMAN else self.name

    @property
    def column(self) -> str:
        """The column of ``contacts`` that holds the field."""
        return f"f_{self.field_id}"

    def document(self, language: str) -> dict[str, Any]:
        """Return the field as ``GET field`` tells it."""
        return {
            "id": self.field_id,
            "name": self.label(language),
            "application_type": self.application_type,
            "string_id": self.string_id,
        }

    def choice_documents(self, language: str) -> list[dict[str, Any]]:
        """Return the choices as ``GET field/{id}/choice`` tells them, in display order."""
        return [
            {
                "id": str(choice.choice_id),
                "choice": choice.text(language),
                "bit_position": None if choice.bit_position is None else str(choice.bit_position),
            }
            for choice in self.choices
        ]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All fields by id, in the account's order."""

    fields: dict[int, AccountField]

    def find(self, reference: Any) -> AccountField | None:
        """Return the field for an id, an id as text, or a string id; None when there is none."""
        if isinstance(reference, bool):
            return None
        text = str(reference).strip()
        if text.isdigit():
            return self.fields.get(int(text))
        return next((f for f in self.fields.values() if text and f.string_id == text), None)


def create_catalogue(connection: duckdb.DuckDBPyConnection) -> None:
    """Fill the tables of fields and choices and give ``contacts`` a column a field."""
    with (
        resources.as_file(resources.files(__package__) / "fields.csv") as fields,
        resources.as_file(resources.files(__package__) / "choices.csv") as choices,
    ):
        connection.execute(
            "insert into fields select field_id::integer, name, name_de, application_type,"
            " coalesce(string_id, ''), is_read_only = '1', row_number() over ()"
            " from read_csv(?, all_varchar = true, header = true)",
            [str(fields)],
        )
        connection.execute(
            "insert into choices select field_id::integer, choice_id::integer, position::integer,"
            " label, label_de, bit_position::integer"
            " from read_csv(?, all_varchar = true, header = true)",
            [str(choices)],
        )
    ids = connection.execute("select field_id from fields order by position").fetchall()
    for (field_id,) in ids:
        connection.execute(f"alter table contacts add column f_{field_id} varchar")


def load_catalogue(connection: duckdb.DuckDBPyConnection) -> Catalogue:
    """Read fields and choices from their tables."""
    choices: dict[int, list[Choice]] = {}
    for field_id, *values in connection.execute(
        "select field_id, choice_id, label, label_de, bit_position from choices"
        " order by field_id, position"
    ).fetchall():
        choices.setdefault(field_id, []).append(Choice(*values))
    rows = connection.execute(
        "select field_id, name, name_de, application_type, string_id, is_read_only"
        " from fields order by position"
    ).fetchall()
    return Catalogue(
        {
            field_id: AccountField(
                field_id,
                name,
                name_de,
                kind,
                string_id,
                is_read_only,
                tuple(choices.get(field_id, ())),
            )
            for field_id, name, name_de, kind, string_id, is_read_only in rows
        }
    )
