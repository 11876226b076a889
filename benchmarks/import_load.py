"""What an import costs from the CSV file of a segment export to mapped contacts.

Each figure comes from a process of its own, which measures the CPU time of all its threads and its
peak memory; ratios are to DuckDB's own load of the same file, measured in the same run.

- **plain**: typed ``read_csv`` into a table of a database file, with its checkpoint.
- **load**: the same with types, choices, normal forms and the hash, by the SQL of the stage
  mapped_contacts over the file: loading with normalisation and hashing.
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
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import duckdb
import numpy  # noqa: F401  # DuckDB imports it with the first function of ours: not in the time
import phonenumbers

from benchmarks.import_account import (
    ACCOUNT,
    CHOICES,
    COLUMNS,
    START,
    TYPES,
    WINDOW,
    FileAccount,
    write_exports,
)
from emarsys_pipeline.emarsys import EmarsysClient
from emarsys_pipeline.emarsys.downloads import verify_csv
from emarsys_pipeline.settings import ImportSettings
from emarsys_pipeline.stages.identifiers import register_normalisers
from emarsys_pipeline.stages.mapped_contacts import map_segment, mapping
from emarsys_pipeline.stages.mapped_contacts.properties import Property
from emarsys_pipeline.stages.raw_segment_exports import SegmentImported, import_account
from emarsys_pipeline.stages.raw_segment_exports.fields import EmarsysField, resolve_mapping
from emarsys_pipeline.warehouse import Warehouse, load_sql

ROWS = 500_000
ROUNDS = 3
SEGMENTS = 10
MAX_RATIO = 1.8
MAX_MEGABYTES = 1000
MAX_GROWTH = 1.25
LEAST_PHONE_FACTOR = 10.0


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


def load_plain(path: Path, target: Path) -> dict[str, Any]:
    """Load a file with DuckDB alone."""
    target.unlink(missing_ok=True)
    columns = ", ".join(f"'{name}': '{data_type}'" for name, data_type in TYPES.items())
    started = time.process_time()
    with duckdb.connect(str(target)) as connection:
        connection.execute("set threads = 1")
        connection.execute(
            f"create table contacts as from read_csv('{path}', header = true, auto_detect = false,"
            f" columns = {{'user_id': 'varchar', {columns}}}, nullstr = '', delim = ',',"
            """ quote = '"', escape = '"')"""
        )
        connection.execute("checkpoint")
    return {"cpu": time.process_time() - started}


class _IntoFile:
    """A connection that makes, in place of mapped_values, a table as mapped_contacts stores it.

    Mapping keeps more beside it for a while, such as what was written of each typed value.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def execute(self, query: str, *parameters: object) -> duckdb.DuckDBPyConnection:
        """Run a query; the one for mapped_values goes into the database file."""
        start = "create or replace temp table mapped_values as"
        if start in query:
            stored = ", ".join([*TYPES, "phone_numbers", "email_addresses", "row_hash"])
            select = query.split(start)[1]
            query = f"create table contacts as select contact_id, {stored} from ({select})"  # noqa: S608  # names of ours
        return self._connection.execute(query, *parameters)


def load_normalised(path: Path, target: Path) -> dict[str, Any]:
    """Load a file into typed, normalised and hashed rows by the SQL of mapped_contacts."""
    target.unlink(missing_ok=True)
    fields = [
        EmarsysField(field_id=each[1], name=each[0], string_id=each[0], application_type=each[2])
        for each in COLUMNS
    ]
    properties = [
        Property(mapped=each, data_type=TYPES[each.mapping.property], has_raw=True)
        for each in resolve_mapping(ACCOUNT, fields)
    ]
    columns = ", ".join(f"'field_{each[1]}': 'varchar'" for each in COLUMNS)
    choices = ", ".join(
        f"('shop', $start, '{field_id}', '{choice[0]}', '{choice[1]}')"
        for field_id, listed in CHOICES.items()
        for choice in listed
    )
    keys = {"account": "shop", "segment_id": "1", "window_start": START}
    started = time.process_time()
    with duckdb.connect(str(target)) as connection:
        connection.execute("set threads = 1")
        register_normalisers(connection)
        connection.execute(
            "create table emarsys_choices as select * from (values"  # noqa: S608  # made here
            f" {choices}) as listed(account, window_start, field_id, choice_id, label)",
            {"start": START},
        )
        connection.execute(
            "create view raw_segment_exports as select 'shop' as account, '1' as segment_id,"  # noqa: S608  # made here
            f" timestamptz '{START.isoformat()}' as window_start, contact_id, 'member' as kind,"
            f" 'labels' as dialect, timestamptz '{START.isoformat()}' as requested_at,"
            f" columns('field_.*') from read_csv('{path}', header = true, auto_detect = false,"
            f" columns = {{'contact_id': 'varchar', {columns}}}, nullstr = '', delim = ',',"
            """ quote = '"', escape = '"')"""
        )
        into_file = cast("duckdb.DuckDBPyConnection", _IntoFile(connection))
        mapping._make_choices(into_file, keys, properties)  # noqa: SLF001  # what is measured
        mapping._make_mapped_values(  # noqa: SLF001  # what is measured
            *(into_file, keys, ACCOUNT, properties),
            sorted(properties, key=lambda each: each.name),
            {f"field_{each[1]}" for each in COLUMNS},
        )
        connection.execute("checkpoint")
    return {"cpu": time.process_time() - started}


def write_again(home: Path, target: Path) -> dict[str, Any]:
    """Write the mapped and current rows of an import to another file, with no work on them."""
    target.unlink(missing_ok=True)
    started = time.process_time()
    with duckdb.connect(str(target)) as connection:
        connection.execute("set threads = 1")
        connection.execute(f"attach '{home}/warehouse.duckdb' as imported (read_only)")
        for table in ("mapped_contacts", "current_contacts"):
            connection.execute(f"create table {table} as from imported.{table}")
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


def normalise_phones(path: Path) -> dict[str, Any]:
    """Normalise the numbers of a file by SQL and by phonenumbers alone; the results must agree."""
    with duckdb.connect() as connection:
        register_normalisers(connection)
        connection.execute(
            load_sql("emarsys_pipeline.stages.mapped_contacts", "country_regions.sql")
        )
        choices = ", ".join(f"('{label}', '{choice_id}')" for choice_id, label in CHOICES["14"])
        connection.execute(
            "create temp table numbers as select mobile, region"  # noqa: S608  # made here
            f" from read_csv('{path}', all_varchar = true, header = true, delim = ',',"
            """ quote = '"', escape = '"')"""
            f" join (values {choices}) as choices(label, choice_id)"
            " on label = country join country_regions using (choice_id) where mobile is not null"
        )
        # Both libraries read their metadata at the first number of a country.
        connection.execute(
            "create temp table warm as select normalise_phone('1', region) from numbers"
        )
        for (region,) in connection.execute("select distinct region from numbers").fetchall():
            _by_phonenumbers("+1", region)
        started = time.process_time()
        connection.execute(
            "create temp table ours as select mobile, region,"
            " normalise_phone(mobile, region) as number from numbers"
        )
        ours = time.process_time() - started
        rows = connection.execute("select mobile, region, number from ours").fetchall()
    started = time.process_time()
    theirs = [_by_phonenumbers(mobile, region) for mobile, region, _ in rows]
    seconds = time.process_time() - started
    different = sum(row[2] != number for row, number in zip(rows, theirs, strict=True))
    return {"numbers": len(rows), "ours": ours, "theirs": seconds, "different": different}


def _by_phonenumbers(text: str, region: str) -> str | None:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def report(name: str, value: float, limit: str, *, is_kept: bool) -> bool:
    """Print one ratio beside its limit; returns whether it is kept."""
    say(f"{name:<66} {value:9.2f}  {limit:<12} {'kept' if is_kept else 'NOT KEPT'}")
    return is_kept


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code is 1 when a limit is not kept."""
    parser = argparse.ArgumentParser(description="CPU and memory of an import, as ratios.")
    parser.add_argument("--rows", type=int, default=ROWS, help="contacts in a segment")
    parser.add_argument("--segments", type=int, default=SEGMENTS, help="segments of the large run")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="best of how many")
    asked = parser.parse_args(arguments)
    say(
        f"{platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, "
        f"duckdb {duckdb.__version__}, {asked.rows:,} contacts of 20 fields, "
        f"best of {asked.rounds}"
    )
    with TemporaryDirectory(prefix="import-load-") as folder:
        return _measure(Path(folder), asked.rows, asked.segments, asked.rounds)


def _measure(folder: Path, rows: int, segments: int, rounds: int) -> int:
    large, small = folder / "large", folder / "small"
    large.mkdir()
    small.mkdir()
    measured(write_exports, large, rows, segments)
    measured(write_exports, small, rows // 10, 1)
    exported = large / "1.csv"
    say(f"each file: {exported.stat().st_size / 1e6:.1f} MB")
    home, target = folder / "home", folder / "plain.duckdb"
    # Interleaved, so that a neighbour's load meets all of them.
    taken: dict[str, list[dict[str, Any]]] = {"plain": [], "load": [], "import": [], "again": []}
    for _ in range(rounds):
        taken["plain"].append(measured(load_plain, exported, target))
        taken["load"].append(measured(load_normalised, exported, target))
        taken["import"].append(measured(import_segments, large, home, rows, 1))
        taken["again"].append(measured(write_again, home, target))
    plain, load, whole, again = (
        min(found, key=lambda each: each["cpu"]) for found in taken.values()
    )
    for name, found in (
        ("plain load", plain),
        ("load with normalisation and hash", load),
        ("writing mapped and current rows again", again),
    ):
        say(f"{name}: {found['cpu']:.2f} CPU s, {found['megabytes']:.0f} MB at most")
    say(
        f"import: {whole['cpu']:.2f} CPU s (verify {whole['verify']:.2f}, land {whole['land']:.2f},"
        f" map {whole['map']:.2f}), {whole['megabytes']:.0f} MB at most"
    )
    little = min(
        (measured(import_segments, small, home, rows // 10, 1) for _ in range(rounds)),
        key=lambda each: each["cpu"],
    )
    much = measured(import_segments, large, home, rows, segments)
    say(f"import of {segments} segments: {much['cpu']:.2f} CPU s, {much['megabytes']:.0f} MB")
    phones = measured(normalise_phones, exported)
    say(
        f"{phones['numbers']:,} numbers: ours {phones['ours']:.2f} CPU s, phonenumbers "
        f"{phones['theirs']:.2f} CPU s, {phones['different']} different"
    )
    ratio, factor = load["cpu"] / plain["cpu"], phones["theirs"] / phones["ours"]
    growth = (much["cpu"] / segments / rows) / (little["cpu"] / (rows // 10))
    say("")
    kept = [
        report(
            "load with normalisation and hash / plain load",
            *(ratio, f"<= {MAX_RATIO}"),
            is_kept=ratio <= MAX_RATIO,
        ),
        report(
            "peak memory of the import in MB",
            *(whole["megabytes"], f"< {MAX_MEGABYTES}"),
            is_kept=whole["megabytes"] < MAX_MEGABYTES,
        ),
        report(
            f"CPU per row, {rows * segments:,} rows / {rows // 10:,} rows",
            *(growth, f"<= {MAX_GROWTH}"),
            is_kept=growth <= MAX_GROWTH,
        ),
        report(
            "phonenumbers / our normaliser",
            *(factor, f">= {LEAST_PHONE_FACTOR:.0f}"),
            is_kept=factor >= LEAST_PHONE_FACTOR and not phones["different"],
        ),
    ]
    say("Without a limit, for the record:")
    for name, value in (
        ("whole import (verify, raw rows, mapped, current) / plain load", whole["cpu"]),
        ("landing raw rows / plain load", whole["land"]),
        ("mapping and making current / plain load", whole["map"]),
    ):
        say(f"{name:<66} {value / plain['cpu']:9.2f}")
    unavoidable = plain["cpu"] + again["cpu"]
    name = "whole import / plain load and writing mapped and current rows"
    say(f"{name:<66} {whole['cpu'] / unavoidable:9.2f}")
    for found, count in ((little, rows // 10), (whole, rows), (much, rows * segments)):
        say(f"microseconds of CPU per row, {count:>12,} rows {found['cpu'] / count * 1e6:9.2f}")
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
