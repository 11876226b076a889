"""Everything that is held on a person, as one JSON document."""

import base64
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import duckdb

from emarsys_pipeline.privacy.erase import Home
from emarsys_pipeline.privacy.holdings import HOLDINGS
from emarsys_pipeline.privacy.messages import messages_about
from emarsys_pipeline.privacy.subject import Subject, load_subject
from emarsys_pipeline.storage import has_inbox, open_inbox
from emarsys_pipeline.warehouse import quote


def export_person(home: Home, subject: Subject) -> dict[str, Any]:
    """What every table and the inbox hold on a person.

    Returns:
        ``identity_ids``; ``tables``: rows by table, sorted; ``inbox``: messages
        by kind. Times are in UTC.
    """
    with home.warehouse.read() as connection:
        load_subject(connection, subject)
        present = connection.execute(
            "select table_name from duckdb_tables() where database_name = current_database()"
            " and schema_name = 'main' order by table_name"
        ).fetchall()
        tables = {
            table: _rows(
                connection,
                f"select * from {quote(table)} where {HOLDINGS[table].rows} order by all",  # noqa: S608 - of ours
            )
            for (table,) in present
            if table in HOLDINGS and HOLDINGS[table].rows
        }
        inbox = _messages(home, connection) if has_inbox(home.settings) else {}
    return {
        "identity_ids": list(subject.identity_ids),
        "tables": {table: rows for table, rows in tables.items() if rows},
        "inbox": {kind: rows for kind, rows in inbox.items() if rows},
    }


def _messages(home: Home, connection: duckdb.DuckDBPyConnection) -> dict[str, list[dict[str, Any]]]:
    with open_inbox(home.settings) as inbox:
        about = messages_about(connection, inbox, regions=home.regions)
        found: dict[str, list[dict[str, Any]]] = {}
        for kind, sequences in about.sequences.items():
            connection.register("incoming", inbox.fetch(kind))
            found[kind] = _rows(
                connection,
                "from incoming where list_contains($sequences::bigint[], sequence)"
                " order by sequence",
                {"sequences": sequences},
            )
            connection.unregister("incoming")
    return found


def _rows(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    parameters: dict[str, Sequence[int]] | None = None,
) -> list[dict[str, Any]]:
    result = connection.execute(query, parameters)
    names = [name for name, *_ in result.description or []]
    return [
        {name: _plain(value) for name, value in zip(names, row, strict=True)}
        for row in result.fetchall()
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return value
