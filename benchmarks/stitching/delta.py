"""A whole run, and a run in which one contact in a hundred changed: from CSV to opt-in deltas.

Both do what a window does: store the rows of an export, map them and detect changes, stitch, write
golden records and derive opt-in deltas. Fetching over HTTP and publishing are left out.

Run it with ``python -m benchmarks.stitching.delta [--millions 0.5 5]``: it prints how much cheaper
the second window is in both modes of stitching, in CPU seconds of all threads. Linking only what
the window touches is the default; linking all is what one window a week does.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

import duckdb

from benchmarks.stitching.kernels import MODULES
from benchmarks.stitching.measure import (
    Clock,
    Measured,
    import_all,
    machine,
    run_child,
    say,
)
from benchmarks.stitching.population import open_warehouse
from benchmarks.stitching.window import FIRST, SECOND
from emarsys_pipeline.settings import AccountSettings, StitchingSettings
from emarsys_pipeline.stages.mapped_contacts import map_segment
from emarsys_pipeline.stages.opt_in_deltas import derive_opt_in_deltas
from emarsys_pipeline.stages.stitched_identities import stitch_identities
from emarsys_pipeline.warehouse import Warehouse, load_sql, overwrite_partition
from emarsys_pipeline.warehouse.columns import ensure_raw_field_columns
from emarsys_pipeline.windows import Window

PACKAGE = "benchmarks.stitching"
MODULE = "benchmarks.stitching.delta"
Mode = Literal["full", "incremental"]
Child = tuple[dict[str, Measured], dict[str, Any]]
MODES: tuple[Mode, ...] = ("incremental", "full")
DEFAULT = StitchingSettings().mode
STITCH = "stitch and golden records"
SEGMENT_SIZE = 500_000
FIELDS = {
    "1": ("First Name", "first_name"),
    "2": ("Last Name", "last_name"),
    "3": ("Email", "email"),
    "37": ("Mobile", "mobile"),
    "11": ("City", "city"),
    "14": ("Country or region", "country"),
    "900": ("WhatsApp opt-in", "whatsapp_opt_in"),
}
MAPPED = ("1", "2", "3", "37", "11")
ACCOUNT = AccountSettings.model_validate(
    {
        "name": "shop",
        "connection": {"auth": "wsse", "username": "${USER_NAME}", "secret": "${SECRET}"},
        "default_region": "DE",
        "segments": ["0"],
        "fields": [
            {"emarsys": 1, "as": "first_name"},
            {"emarsys": 2, "as": "last_name"},
            {"emarsys": 3, "as": "email", "identifier": "email"},
            {"emarsys": 37, "as": "mobile", "identifier": "phone"},
            {"emarsys": 11, "as": "city"},
        ],
        "opt_in": {
            "field": "WhatsApp opt-in",
            "channel": "whatsapp",
            "granted": "granted",
            "withdrawn": "withdrawn",
        },
    }
)
TYPES = {"first_name": "varchar", "last_name": "varchar", "email": "varchar"} | {
    "mobile": "varchar",
    "city": "varchar",
}


def prepare(folder: Path, contacts: int, warehouse: Warehouse | None = None) -> None:
    """Write the exports, and store the messaging side: contacts, and a decision of each third."""
    warehouse = warehouse or open_warehouse(folder)
    warehouse.migrate()
    with warehouse.write() as connection:
        connection.execute(load_sql(PACKAGE, "contacts.sql"), {"first": 0, "last": contacts})
        times = {"start": FIRST.start, "end": FIRST.end}
        connection.execute(load_sql(PACKAGE, "platform_contacts.sql"), times)
        connection.execute(
            "update platform_contacts set phone_number = '+49' ||"
            " (15000000000 + phone_number[4:]::bigint % 300000000)::varchar"
        )
        connection.execute(load_sql(PACKAGE, "delta_consents.sql"), {"start": FIRST.start})
        for field_id, (name, string_id) in FIELDS.items():
            connection.execute(
                "insert into emarsys_fields by name select 'shop' as account,"
                " $start::timestamptz as window_start, $field_id as field_id, $name as name,"
                " $string_id as string_id, 'shorttext' as application_type",
                {
                    "start": FIRST.start,
                    "field_id": field_id,
                    "name": name,
                    "string_id": string_id,
                },
            )
        for number in (0, 1):
            for segment in range(-(-contacts // SEGMENT_SIZE)):
                _write_export(connection, folder / f"{segment}_{number}.csv", segment, number)


def _write_export(
    connection: duckdb.DuckDBPyConnection, path: Path, segment: int, number: int
) -> None:
    connection.execute(
        "create or replace temp table cells as " + load_sql(PACKAGE, "delta_files.sql"),
        {"segment": segment, "round": number},
    )
    connection.execute(f"copy cells to '{path}' (header)")


def run_window(folder: Path, number: int, mode: Mode = "full") -> None:
    """Do the first window, or the one after it, in a mode of stitching."""
    clock = Clock()
    import_all(*MODULES["ours"])
    clock.say(**measure_window(clock, open_warehouse(folder), folder, number, mode))


def measure_window(
    clock: Clock, warehouse: Warehouse, folder: Path, number: int, mode: Mode = "full"
) -> dict[str, int]:
    """Measure the steps of a window by the clock; what came of it."""
    window = (FIRST, SECOND)[number]
    segments = {path.name.split("_")[0]: path for path in sorted(folder.glob(f"*_{number}.csv"))}
    with clock.measure("load"), warehouse.kept_open():
        for segment_id, path in segments.items():
            _load(warehouse, path, segment_id, window, "changed" if number else "member")
    with clock.measure("map"), warehouse.kept_open():
        for segment_id in segments:
            map_segment(warehouse, ACCOUNT, segment_id, window, property_types=TYPES, run_id="run")
    with clock.measure(STITCH):
        result = stitch_identities(
            warehouse,
            window,
            stitching=StitchingSettings(mode=mode),
            property_types=TYPES,
            run_id="run",
        )
    with clock.measure("opt-in deltas"):
        derived = derive_opt_in_deltas(warehouse, window, accounts=[ACCOUNT], run_id="run")
    return {
        "assigned": result.assigned,
        "identities": result.identities,
        "deltas": derived.derived,
    }


def _load(warehouse: Warehouse, path: Path, segment_id: str, window: Window, kind: str) -> None:
    keys = {"account": "shop", "segment_id": segment_id, "window_start": window.start}
    with warehouse.write() as connection:
        ensure_raw_field_columns(connection, [*MAPPED, "14"])
        overwrite_partition(
            connection,
            "raw_segment_exports",
            keys,
            load_sql(PACKAGE, "delta_segment.sql"),
            {
                "segment_id": segment_id,
                "start": window.start,
                "end": window.end,
                "kind": kind,
                "path": str(path),
            },
        )
        connection.execute(load_sql(PACKAGE, "delta_import.sql"), {**keys, "end": window.end})


def compare(contacts: int, folder: Path, rounds: int) -> None:
    """Measure each in a process of its own, and print; all small windows start from one first.

    Of each mode so many rounds are measured, in turns, and the one with the median CPU time shown.
    """
    run_child(MODULE, "prepare", str(folder), str(contacts))
    found = {"first window": run_child(MODULE, "window", str(folder), "0", "full")}
    of_mode: dict[Mode, list[Child]] = {mode: [] for mode in MODES}
    for mode in MODES * rounds:
        copied = folder.with_suffix(f".{mode}")
        shutil.copytree(folder, copied)
        of_mode[mode].append(run_child(MODULE, "window", str(copied), "1", mode))
        shutil.rmtree(copied)
    for mode, measured in of_mode.items():
        measured.sort(key=lambda child: _cpu(child[0]))
        name = f"1 % changed, {mode}{' (default)' if mode == DEFAULT else ''}"
        found[name] = measured[len(measured) // 2]
    whole = _cpu(found["first window"][0])
    stitch = found["first window"][0][STITCH].cpu
    facts = set()
    for name, (pieces, said) in found.items():
        by_piece = ", ".join(f"{piece} {it.cpu:.2f}" for piece, it in pieces.items())
        say(
            f"| {contacts:,} | {name} | **{whole / _cpu(pieces):.1f}** |"
            f" {stitch / pieces[STITCH].cpu:.1f} |"
            f" {max(it.memory for it in pieces.values()):,.0f} |"
            f" {_cpu(pieces):.2f} [{sum(it.wall for it in pieces.values()):.2f}] | {by_piece} |"
        )
        if name != "first window":
            facts.add(tuple(said.items()))
    if len(facts) > 1:
        raise RuntimeError(f"the modes disagree: {facts}")


def say_header() -> None:
    """Print the head of the table."""
    say(
        "| contacts | window | times cheaper | stitching and golden records, times cheaper |"
        " peak MB | CPU s [wall] | CPU s by piece |"
    )
    say("|" + "---|" * 7)


def _cpu(pieces: Mapping[str, Measured]) -> float:
    return sum(piece.cpu for piece in pieces.values())


if __name__ == "__main__":
    if sys.argv[1:2] == ["prepare"]:
        prepare(Path(sys.argv[2]), int(sys.argv[3]))
        Clock().say()
    elif sys.argv[1:2] == ["window"]:
        run_window(Path(sys.argv[2]), int(sys.argv[3]), cast(Mode, sys.argv[4]))
    else:
        parser = argparse.ArgumentParser(prog="python -m benchmarks.stitching.delta")
        parser.add_argument("--millions", nargs="+", type=float, default=[0.5])
        parser.add_argument("--rounds", type=int, default=3, help="of each small window")
        parser.add_argument("--folder", type=Path, help="for the files; else a temporary one")
        chosen = parser.parse_args()
        say(f"{machine()}; load {os.getloadavg()[0]:.1f}")
        say()
        say_header()
        for size in chosen.millions:
            with tempfile.TemporaryDirectory(prefix="delta-", dir=chosen.folder) as made:
                home = Path(made) / "home"
                home.mkdir()
                compare(int(size * 1_000_000), home, chosen.rounds)
