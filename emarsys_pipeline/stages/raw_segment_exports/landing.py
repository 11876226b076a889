"""Writing one segment's rows: all of them with the import's record, in one transaction."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from emarsys_pipeline.stages.erased import is_erased
from emarsys_pipeline.stages.identifiers import register_normalisers
from emarsys_pipeline.stages.raw_segment_exports.fields import resolve_mapping
from emarsys_pipeline.stages.raw_segment_exports.run import AccountRun, Tally
from emarsys_pipeline.warehouse import load_sql, overwrite_partition, quote
from emarsys_pipeline.warehouse.columns import ensure_raw_field_columns, raw_field_column
from emarsys_pipeline.warehouse.tombstones import has_tombstones
from emarsys_pipeline.windows import Window

_FIELDS = (
    *("segment_id", "mode", "members", "rows_delivered", "entered", "departed", "changed"),
    *("export_ids", "api_calls", "bytes_downloaded", "seconds"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentImported:
    """What one import of one segment in one window delivered, in contacts.

    Attributes:
        mode: full, changes, or superseded when a later window had landed before.
        members: the contacts in the segment; 0 when superseded.
        rows_delivered: the rows stored, those of departed contacts included.
        changed: contacts that Emarsys reports as changed, whatever the field.
        already_landed: whether an earlier run had stored it, so that nothing was fetched.
        counted: the contacts that Emarsys counted; None without the permission to count, and when
            it had landed already.
        shared_api_calls: calls made once for all segments of this run and account: fields,
            choices and the export of changes with its polls. In none of the segments' own counts.
        shared_bytes_downloaded: the size of the export of changes, likewise.
    """

    segment_id: str
    mode: str
    members: int
    rows_delivered: int
    entered: int
    departed: int
    changed: int
    export_ids: tuple[str, ...]
    api_calls: int
    bytes_downloaded: int
    seconds: float
    already_landed: bool
    counted: int | None = None
    shared_api_calls: int = 0
    shared_bytes_downloaded: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """The finished rows of one segment.

    Attributes:
        rows: a Parquet file with columns of the raw table; None when nothing was delivered.
        exported: a query for the values of the rows that came with an export, where the file has
            none of them; None where the file has all.
    """

    mode: str
    requested_at: datetime
    rows: Path | None
    exported: str | None = None
    members: int
    entered: int
    departed: int
    changed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A delivery that waits to be landed.

    Attributes:
        ready_at: since when it waits, which is no time that the import takes.
    """

    delivery: Delivery
    tally: Tally
    ready_at: datetime


def land_prepared(run: AccountRun, segment_id: str, prepared: Prepared) -> SegmentImported:
    """Land a delivery that has waited."""
    waited = run.now() - prepared.ready_at
    return land(run, segment_id, prepared.delivery, prepared.tally, waited=waited)


def land(
    run: AccountRun,
    segment_id: str,
    delivery: Delivery,
    tally: Tally,
    *,
    waited: timedelta = timedelta(0),
) -> SegmentImported:
    """Replace the partition of this segment and window, together with its import record."""
    keys = {
        "account": run.account.name,
        "segment_id": segment_id,
        "window_start": run.window.start,
    }
    landed_at = run.now()
    record: dict[str, Any] = {
        **keys,
        "mode": delivery.mode,
        "requested_at": delivery.requested_at,
        "landed_at": landed_at,
        "members": delivery.members,
        "entered": delivery.entered,
        "departed": delivery.departed,
        "changed": delivery.changed,
        "export_ids": list(tally.export_ids),
        "api_calls": tally.api_calls,
        "bytes_downloaded": tally.bytes_downloaded,
        "seconds": (landed_at - tally.started_at - waited).total_seconds(),
        "run_id": run.run_id,
    }
    with run.warehouse.write() as connection:
        # With several threads DuckDB inserts batches, and packs the values of many of them twice.
        connection.execute("set threads = 1")
        ensure_raw_field_columns(connection, run.plan.field_ids)
        rows_delivered = 0
        if delivery.rows is not None:
            rows_delivered = overwrite_partition(
                connection,
                "raw_segment_exports",
                keys,
                _without_erased(connection, run, _finished_rows(delivery)),
                {**keys, "path": str(delivery.rows)},
            )
        record["rows_delivered"] = rows_delivered
        overwrite_partition(
            connection,
            "segment_imports",
            keys,
            load_sql(__package__, "segment_import.sql"),
            record,
        )
    return dataclasses.replace(_imported(record, already_landed=False), counted=tally.counted)


def _finished_rows(delivery: Delivery) -> str:
    if delivery.exported is None:
        return load_sql(__package__, "finished_rows.sql")
    return load_sql(__package__, "finished_rows_of_export.sql", exported=delivery.exported)


def _without_erased(connection: duckdb.DuckDBPyConnection, run: AccountRun, select: str) -> str:
    """The query without the rows of people who were erased; unchanged while nobody was.

    Numbers are read as of the account's country. Those of another country that lack its code show
    only once they are mapped, and are removed there.
    """
    if not has_tombstones(connection):
        return select
    register_normalisers(connection)
    values = {"emarsys": "account || chr(31) || contact_id"}
    region = run.account.default_region  # two capital letters
    for number, item in enumerate(resolve_mapping(run.account, run.plan.fields)):
        column = quote(raw_field_column(item.field.field_id))
        if item.mapping.identifier == "phone":
            values[f"phone {number}"] = f"normalise_phone({column}, '{region}')"
        elif item.mapping.identifier == "email":
            values[f"email {number}"] = f"normalise_email({column})"
    return f"from ({select}) as delivered where not ({is_erased(values)})"


def stored_imports(
    connection: duckdb.DuckDBPyConnection,
    account: str,
    segment_ids: Sequence[str],
    window: Window,
) -> dict[str, SegmentImported]:
    """The imports of this window that have landed, by segment."""
    rows = connection.execute(
        load_sql(__package__, "stored_imports.sql"),
        {"account": account, "window_start": window.start, "segment_ids": list(segment_ids)},
    ).fetchall()
    records = [dict(zip(_FIELDS, row, strict=True)) for row in rows]
    return {record["segment_id"]: _imported(record, already_landed=True) for record in records}


def _imported(record: Mapping[str, Any], *, already_landed: bool) -> SegmentImported:
    values = {name: record[name] for name in _FIELDS}
    return SegmentImported(
        **{**values, "export_ids": tuple(record["export_ids"])}, already_landed=already_landed
    )
