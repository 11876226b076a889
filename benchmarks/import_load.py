"""What an import costs from the CSV file of a segment export to mapped contacts.

Each figure comes from a process of its own, which measures the CPU time of all its threads and its
peak memory; ratios are to DuckDB's own load of the same file, measured in the same run.

- **plain**: typed ``read_csv`` into a table of a database file, with its checkpoint.
- **import**: what a run does: the file verified, raw rows landed as they came, then mapped and
  made current, each step committed and checkpointed. It writes each contact three times (as it
  came, as it was mapped, as it is now), where the plain load writes it once.
- growth: ten segments in one warehouse against one of a tenth of their size.
- phones: our normaliser against ``phonenumbers`` on the same numbers; all results must agree.

Run it with ``python -m benchmarks.import_load``; ``--rows 50000`` makes it quick.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import resource
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import duckdb

from emarsys_pipeline.emarsys import (
    Choice,
    ContactsFound,
    DownloadedExport,
    EmarsysClient,
    ExportStatus,
    Field,
)
from emarsys_pipeline.emarsys.downloads import verify_csv
from emarsys_pipeline.settings import AccountSettings, ImportSettings
from emarsys_pipeline.stages.mapped_contacts import map_segment
from emarsys_pipeline.stages.raw_segment_exports import SegmentImported, import_account
from emarsys_pipeline.warehouse import Warehouse, load_sql
from emarsys_pipeline.windows import Window

ROWS = 500_000
ROUNDS = 3
SEGMENTS = 10
MAX_RATIO = 1.8
MAX_MEGABYTES = 1000
LEAST_PHONE_FACTOR = 10.0
START = datetime(2026, 3, 1, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(hours=12))

# Column, Emarsys field id and type, type of the property, how it identifies: as in import_load.sql.
COLUMNS = (
    ("first_name", "1", "shorttext", "varchar", None),
    ("last_name", "2", "shorttext", "varchar", None),
    ("email", "3", "longtext", "varchar", "email"),
    ("mobile", "37", "shorttext", "varchar", "phone"),
    ("country", "14", "singlechoice", "varchar", None),
    ("salutation", "46", "singlechoice", "varchar", None),
    ("birth_date", "4", "birthdate", "date", None),
    ("revenue", "901", "numeric", "double", None),
    ("orders", "902", "numeric", "bigint", None),
    ("ordered_on", "903", "date", "date", None),
    ("street", "10", "longtext", "varchar", None),
    ("city", "11", "shorttext", "varchar", None),
    ("zip", "13", "shorttext", "varchar", None),
    ("company", "18", "shorttext", "varchar", None),
    ("note", "904", "longtext", "varchar", None),
    ("loyalty_number", "905", "shorttext", "varchar", None),
    ("tier", "906", "shorttext", "varchar", None),
    ("origin", "907", "shorttext", "varchar", None),
    ("store", "908", "shorttext", "varchar", None),
    ("opt_in", "909", "shorttext", "varchar", None),
)
TYPES = {name: data_type for name, _, _, data_type, _ in COLUMNS}
CHOICES = {
    "14": [
        *(("65", "Germany"), ("10", "Austria"), ("168", "Switzerland"), ("61", "France")),
        *(("83", "Italy"), ("161", "Spain"), ("124", "Netherlands"), ("139", "Poland")),
        *(("17", "Belgium"), ("167", "Sweden")),
    ],
    "46": [("1", "Mr."), ("2", "Ms.")],
}
ACCOUNT = AccountSettings.model_validate(
    {
        "name": "shop",
        "connection": {"auth": "wsse", "username": "${USER_NAME}", "secret": "${SECRET}"},
        "default_region": "DE",
        "segments": ["1"],
        "opt_in": {"field": "909"},
        "fields": [
            {"emarsys": field_id, "as": name, **({"identifier": kind} if kind else {})}
            for name, field_id, _, _, kind in COLUMNS
        ],
    }
)


class FileAccount:
    """What the client gives when each segment's export is a file at hand; segments are numbers."""

    def __init__(self, folder: Path, rows: int) -> None:
        self.folder = folder
        self.rows = rows

    def list_fields(self, *_: Any) -> list[Field]:
        return [Field(each[1], each[0], each[0], each[2]) for each in COLUMNS]

    def list_choices(self, field_ids: Sequence[str], *_: Any) -> dict[str, list[Choice]]:
        return {each: [Choice(*choice) for choice in CHOICES[each]] for each in field_ids}

    def count_segment(self, _segment_id: str) -> int:
        return self.rows

    def segment_contact_ids(self, segment_id: str) -> Iterator[list[str]]:
        first = 1_000_000 + (int(segment_id) - 1) * self.rows
        for start in range(first, first + self.rows, 10_000):
            yield [str(each) for each in range(start, min(start + 10_000, first + self.rows))]

    def start_segment_export(self, segment_id: str, *_: Any, **__: Any) -> str:
        return segment_id

    def wait_for_export(self, export_id: str, **_: Any) -> ExportStatus:
        return ExportStatus(export_id, "done")

    def download_export(self, export_id: str, path: Path) -> DownloadedExport:
        path.hardlink_to(self.folder / f"{export_id}.csv")
        header, rows, line_end = verify_csv(path, export_id)
        return DownloadedExport(path, path.stat().st_size, header, rows, True, line_end)  # noqa: FBT003  # it has ids

    def get_contacts(self, *_: Any, **__: Any) -> ContactsFound:
        return ContactsFound([], {})


def say(text: str) -> None:
    """Print one line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def measured(work: Callable[..., Any], *arguments: object) -> dict[str, Any]:
    """Run a function in a process of its own; what it returned, with its peak memory."""
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_report, args=(sending, work, *arguments))
    process.start()
    sending.close()
    try:
        return dict(receiving.recv())
    finally:
        process.join()


def _report(sending: Any, work: Callable[..., dict[str, Any]], *arguments: object) -> None:
    # DuckDB takes a process without a main file for a notebook, and draws progress bars there.
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
    found = work(*arguments)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sending.send({**found, "megabytes": peak})


def write_exports(folder: Path, rows: int, segments: int) -> dict[str, Any]:
    """Write the CSV files of segments, as Emarsys does."""
    with duckdb.connect() as connection:
        for number in range(segments):
            connection.execute("set variable target = ''")
            sql = load_sql(__package__, "import_load.sql")
            connection.sql(sql, params={"first": number * rows, "rows": rows}).write_csv(
                str(folder / f"{number + 1}.csv"), quotechar='"', quoting=1
            )
    return {}


def load_plain(path: Path, target: Path) -> dict[str, Any]:
    """Load a file with DuckDB alone."""
    target.unlink(missing_ok=True)
    columns = ", ".join(f"'{name}': '{data_type}'" for name, data_type in TYPES.items())
    started = time.process_time()
    with duckdb.connect(str(target)) as connection:
        connection.execute(
            f"create table contacts as from read_csv('{path}', header = true, auto_detect = false,"
            f" columns = {{'user_id': 'varchar', {columns}}}, nullstr = '', delim = ',',"
            """ quote = '"', escape = '"')"""
        )
        connection.execute("checkpoint")
    return {"cpu": time.process_time() - started}


def import_segments(folder: Path, home: Path, rows: int, segments: int) -> dict[str, Any]:
    """Import and map segments one after another, as a run does."""
    shutil.rmtree(home, ignore_errors=True)
    warehouse = Warehouse(home, publish_interval_seconds=10**9)
    warehouse.migrate()
    client = cast("EmarsysClient", FileAccount(folder, rows))
    steps = {"verify": 0.0, "land": 0.0, "map": 0.0}
    for segment_id in map(str, range(1, segments + 1)):
        started = time.process_time()
        verify_csv(folder / f"{segment_id}.csv", segment_id)
        verified = time.process_time()
        outcome = import_account(
            *(warehouse, client, ACCOUNT, [segment_id], WINDOW),
            imports=ImportSettings(),
            downloads=home / "downloads",
            run_id="run",
        )[segment_id]
        landed = time.process_time()
        if not isinstance(outcome, SegmentImported) or outcome.rows_delivered != rows:
            raise SystemExit(f"segment {segment_id} did not land: {outcome}")
        mapped = map_segment(
            warehouse, ACCOUNT, segment_id, WINDOW, property_types=TYPES, run_id="run"
        )
        if mapped.new != rows:
            raise SystemExit(f"segment {segment_id} was not mapped: {mapped}")
        steps["verify"] += verified - started
        steps["land"] += landed - verified - (verified - started)
        steps["map"] += time.process_time() - landed
    return {"cpu": sum(steps.values()), **steps}
