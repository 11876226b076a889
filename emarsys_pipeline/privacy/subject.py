"""Who a request is about: every contact, identifier and message id of one person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa

from emarsys_pipeline.stages.identifiers import normalise_email, normalise_phone
from emarsys_pipeline.warehouse import load_sql

Contact = tuple[str, str, str]
Identifier = tuple[str, str]

# Shorter texts would be found everywhere.
SHORTEST_TEXT = 6


class PersonNotFoundError(Exception):
    """Nobody goes by this name, or several people do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One person.

    Attributes:
        identity_ids: the identity and those that were merged into it.
        contacts: (source, account, contact id) of both sides.
        identifiers: (kind, value) that no contact of anybody else holds.
        shared: how many further identifiers other people hold as well.
        event_ids: consent events of the person.
        written: phone numbers and addresses as they were written before normalisation.
    """

    identity_ids: tuple[str, ...]
    contacts: tuple[Contact, ...] = field(repr=False)
    identifiers: tuple[Identifier, ...] = field(repr=False)
    shared: int
    event_ids: tuple[str, ...] = field(repr=False)
    written: tuple[str, ...] = field(repr=False)

    @property
    def texts(self) -> tuple[str, ...]:
        """Texts by which the person is found anywhere, in lower case."""
        found = {value.lstrip("+") for _, value in self.identifiers}
        found |= {text.strip().lower() for text in self.written}
        return tuple(sorted(text for text in found if len(text) >= SHORTEST_TEXT))

    @property
    def ids(self) -> tuple[str, ...]:
        """Contact ids and event ids: found as whole values only, since they may be short."""
        found = {contact_id for _, _, contact_id in self.contacts} | set(self.event_ids)
        return tuple(sorted(found))


def find_subject(
    connection: duckdb.DuckDBPyConnection, name: str, *, regions: Sequence[str]
) -> Subject:
    """The person whom a name stands for.

    Args:
        connection: the warehouse; gets the temporary tables that the holdings' conditions read.
        name: an identity id (a retired one as well), a phone number, an e-mail address, or a
            contact id of either side.
        regions: ISO countries to try for a phone number without a country code.

    Raises:
        PersonNotFoundError: several people go by this name.
    """
    numbers = {normalise_phone(name, region) for region in (None, *regions)}
    parameters = {
        "phone_numbers": sorted(number for number in numbers if number is not None),
        "email_address": normalise_email(name) or "",
    }
    _run(connection, "find_contacts.sql", {"name": name, **parameters})
    identities = connection.execute("from named_identities order by all").fetchall()
    if len(identities) > 1:
        listed = ", ".join(identity_id for (identity_id,) in identities[:5])
        raise PersonNotFoundError(
            f"several people go by this name: give one of the identity ids {listed}"
        )
    _run(connection, "collect_person.sql", parameters)
    return _read(connection)


def load_subject(connection: duckdb.DuckDBPyConnection, subject: Subject) -> None:
    """Make the temporary tables for a person who was found before."""
    tables = {
        "erasing_identities": _table(("identity_id",), [(each,) for each in subject.identity_ids]),
        "erasing_contacts": _table(("source", "account", "contact_id"), subject.contacts),
        "erasing_identifiers": _table(("kind", "value"), subject.identifiers),
        "erasing_events": _table(("event_id",), [(each,) for each in subject.event_ids]),
    }
    for name, content in tables.items():
        connection.register("given", content)
        connection.execute(f"create or replace temp table {name} as from given")
        connection.unregister("given")


def _run(
    connection: duckdb.DuckDBPyConnection, file: str, parameters: Mapping[str, object]
) -> None:
    # A statement takes only the parameters that it names.
    for statement in load_sql(__package__, file).split(";\n"):
        named = {name: value for name, value in parameters.items() if f"${name}" in statement}
        if statement.strip():
            connection.execute(statement, named)


def _read(connection: duckdb.DuckDBPyConnection) -> Subject:
    def rows(query: str) -> list[tuple[str, ...]]:
        return connection.execute(query).fetchall()

    ((shared,),) = connection.execute("select count(*) from shared_identifiers").fetchall()
    return Subject(
        identity_ids=tuple(row[0] for row in rows("from erasing_identities order by all")),
        contacts=tuple((a, b, c) for a, b, c in rows("from erasing_contacts order by all")),
        identifiers=tuple((kind, v) for kind, v in rows("from erasing_identifiers order by all")),
        shared=shared,
        event_ids=tuple(row[0] for row in rows("from erasing_events order by all")),
        written=tuple(row[0] for row in rows(load_sql(__package__, "written_identifiers.sql"))),
    )


def _table(names: Sequence[str], rows: Sequence[tuple[str, ...]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return pa.table(
        {name: pa.array(column, pa.string()) for name, column in zip(names, columns, strict=True)}
    )
