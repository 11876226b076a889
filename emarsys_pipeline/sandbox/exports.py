"""Exports: started, written to a CSV file by DuckDB in the background, and their states."""

from __future__ import annotations

import csv
import io
import json
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from emarsys_pipeline.sandbox.catalogue import CHOICE_TYPES, AccountField
from emarsys_pipeline.sandbox.replies import ApiError, bad_parameter
from emarsys_pipeline.sandbox.state import State, next_id, utc_now, vienna_text
from emarsys_pipeline.sandbox.webhooks import notify_export

_FIRST_EXPORT_ID = 5120
# An export that somebody made in the user interface; the API tells nothing about such.
_INTERFACE_EXPORT_ID = 5119
_RUNNING = ("scheduled", "in progress")
SAME_EXPORT = (
    "An export with the same setting is currently running."
    " It is not possible to run the same export more than once simultaneously."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOrder:
    """What an export is to contain.

    Attributes:
        kind: the endpoint that started it, for example ``export/filter``.
        segment_id: the segment that is exported, for fault rules; else None.
        has_user_id: whether the first column is the internal id.
        request: the start call's body as JSON text; identical ones may not run at once.
    """

    kind: str
    field_ids: tuple[int, ...]
    has_user_id: bool
    delimiter: str
    has_header: bool
    language: str
    segment_id: str | None
    request: str
    notification_url: str | None = None


@dataclass(frozen=True, slots=True)
class Export:
    """One export as stored."""

    export_id: int
    order: ExportOrder
    created_at: datetime
    status: str
    file_name: str | None
    row_total: int | None


class ExportRunner:
    """Writes the files of exports in the background, two at a time."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._workers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="export")
        with state.write() as connection:
            # A run of the server that ended took its unfinished exports with it.
            connection.execute(
                "update exports set status = 'error' where status in (?, ?)", _RUNNING
            )

    def start(
        self,
        order: ExportOrder,
        members_query: str,
        parameters: list[Any],
        prepare: Callable[[], None] | None = None,
    ) -> int:
        """Start an export of the contacts that a query selects as ``contact_id``; return its id.

        ``prepare`` runs in the background first.

        Raises:
            ApiError: 400 with 4001 when an identical export is running.
        """
        key = f"{order.kind} {order.request}"
        with self._state.write() as connection:
            running = connection.execute(
                "select count(*) from exports where settings_key = ?"
                " and (status in (?, ?) or created_at > ?)",
                [key, *_RUNNING, utc_now() - _delay(self._state)],
            ).fetchone()
            if running is not None and running[0]:
                raise ApiError(400, 4001, SAME_EXPORT)
            export_id = next_id(connection, "exports", "export_id", _FIRST_EXPORT_ID)
            connection.execute(
                "insert into exports values (?, ?, ?, ?, ?, 'in progress', null, null, null)",
                [export_id, order.kind, key, json.dumps(_order_document(order)), utc_now()],
            )
        self._workers.submit(self._write, export_id, order, members_query, parameters, prepare)
        return export_id

    def close(self) -> None:
        """Wait for the exports that are being written."""
        self._workers.shutdown(wait=True, cancel_futures=True)

    def _write(
        self,
        export_id: int,
        order: ExportOrder,
        members_query: str,
        parameters: list[Any],
        prepare: Callable[[], None] | None,
    ) -> None:
        name = f"contacts_{export_id}_{order.language}-{secrets.token_hex(3)}.csv"
        status, rows = "done", None
        try:
            if prepare is not None:
                prepare()
            rows = write_file(
                self._state, order, members_query, parameters, self._state.files / name
            )
        finally:
            if rows is None:
                status = "error"
            with self._state.write() as connection:
                connection.execute(
                    "update exports set status = ?, file_name = ?, row_total = ?, finished_at = ?"
                    " where export_id = ?",
                    [status, name, rows, utc_now(), export_id],
                )
        if order.notification_url:
            notify_export(
                order.notification_url, status_document(find_export(self._state, export_id))
            )


def _delay(state: State) -> timedelta:
    return timedelta(seconds=state.setting("export_delay_seconds"))


def _order_document(order: ExportOrder) -> dict[str, Any]:
    return {name: getattr(order, name) for name in order.__slots__}


def find_export(state: State, export_id: Any) -> Export:
    """Return an export.

    Raises:
        ApiError: 400 with 10001 when there is none, with 4002 when it was not made by API.
    """
    if int(export_id) == _INTERFACE_EXPORT_ID:
        raise ApiError(400, 4002, "Invalid export type")
    rows = state.rows(
        "select export_id, request, created_at, status, file_name, row_total"
        " from exports where export_id = ?",
        [int(export_id)],
    )
    if not rows:
        raise bad_parameter("Invalid export ID")
    number, request, created_at, status, file_name, row_total = rows[0]
    values = json.loads(request)
    values["field_ids"] = tuple(values["field_ids"])
    order = ExportOrder(**values)
    delay = _delay(state)
    elapsed = utc_now() - created_at
    if status in ("done", "in progress") and elapsed < delay:
        status = "scheduled" if elapsed < delay / 2 else "in progress"
    if elapsed > timedelta(days=state.setting("export_retention_days")):
        file_name = None
    return Export(number, order, created_at, status, file_name, row_total)


def status_document(export: Export) -> dict[str, Any]:
    """Return an export as ``GET export/{id}`` tells it."""
    return {
        "id": str(export.export_id),
        "created": vienna_text(export.created_at),
        "status": export.status,
        "type": "Responses",
        "file_name": export.file_name if export.status == "done" else None,
        "ftp_host": "",
        "ftp_dir": "",
    }


def write_file(
    state: State, order: ExportOrder, members_query: str, parameters: list[Any], path: Path
) -> int:
    """Write the records of an export, without a header; return how many there are."""
    line_end = "\\r\\n" if state.setting("csv_line_end") == "\r\n" else "\\n"
    fields = [state.catalogue.fields[number] for number in order.field_ids]
    query = export_query(fields, order, members_query)
    with state.read() as connection:
        row = connection.execute(
            f"copy ({query}) to '{path}' (format csv, header false,"
            f" delimiter '{order.delimiter}', new_line '{line_end}')",
            parameters,
        ).fetchone()
    return int(row[0]) if row else 0


def export_query(fields: list[AccountField], order: ExportOrder, members_query: str) -> str:
    """Return SQL for the records: columns in the order asked for, labels in place of choice ids."""
    label = "label_de" if order.language == "de" else "label"
    columns = ["contacts.id::varchar"] if order.has_user_id else []
    joins: list[str] = []
    for place, field in enumerate(fields):
        value = f"contacts.{field.column}"
        if field.application_type == "multichoice":
            separator = ";" if order.delimiter == "," else ","
            labels = ", ".join(
                f"'{c.choice_id}': '{_sql_text(c.text(order.language))}'" for c in field.choices
            )
            value = (
                f"array_to_string(list_transform(string_split({value}, ','),"
                f" lambda part: map {{{labels}}}[part]), '{separator}')"
            )
        elif field.choices or field.application_type in CHOICE_TYPES:
            joins.append(
                f"left join choices as c_{place} on c_{place}.field_id = {field.field_id:d}"
                f" and c_{place}.choice_id::varchar = {value}"
            )
            value = f"c_{place}.{label}"
        columns.append(f"{value} as column_{place}")
    return (
        f"select {', '.join(columns)} from contacts {' '.join(joins)}"  # noqa: S608 - names of ours
        f" where contacts.id in ({members_query})"
    )


def _sql_text(text: str) -> str:
    return text.replace("'", "''")


def header_line(state: State, order: ExportOrder) -> bytes:
    """Return the header record of an export with its line end; empty when none was asked for."""
    if not order.has_header:
        return b""
    fields = state.catalogue.fields
    labels = [
        fields[number].label(order.language) if number in fields else str(number)
        for number in order.field_ids
    ]
    if order.has_user_id:
        labels.insert(0, "user_id")
    text = io.StringIO()
    writer = csv.writer(
        text, delimiter=order.delimiter, lineterminator=state.setting("csv_line_end")
    )
    writer.writerow(labels)
    return text.getvalue().encode()
