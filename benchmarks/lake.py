"""What the same steps cost on a lake, beside the one file, in one run.

Two windows, the second with one contact in a hundred changed: load an export, map it, stitch,
derive opt-in deltas; after each, publish: the analysts' views as one file. Each engine does each
window in a process of its own and must come to the same counts. The file is never published in
between, so that both do the same. The lake's catalogue is in a PostgreSQL server that this starts
(Debian's package ``postgresql``), its Parquet files in a folder beside the file. CPU is that of the
process that works; PostgreSQL's own is in the wall time only.

Run it with ``python -m benchmarks.lake``; ``--contacts 20000`` makes it quick.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from benchmarks.stitching.delta import Mode, measure_window, prepare
from benchmarks.stitching.kernels import MODULES
from benchmarks.stitching.measure import Clock, Measured, import_all, machine, run_child, say
from emarsys_pipeline.warehouse import LakeLocation, Warehouse
from emarsys_pipeline_tests.postgresql import start_postgresql

MODULE = "benchmarks.lake"
CONTACTS = 200_000
FILE = "-"
WINDOWS: tuple[tuple[str, Mode], ...] = (
    ("first window", "full"),
    ("1 % changed", "incremental"),
)


def open_engine(folder: Path, catalogue: str) -> Warehouse:
    """The warehouse of a folder, as one file or as a lake with this catalogue."""
    place = folder if catalogue == FILE else LakeLocation(catalogue, f"{folder}/lake/")
    return Warehouse(place, publish_interval_seconds=10**9)


def work(folder: Path, catalogue: str, number: int) -> None:
    """Do one window and publish, measured; the attaching of a lake is not."""
    clock = Clock()
    warehouse = open_engine(folder, catalogue)
    import_all(*MODULES["ours"])
    with warehouse.read() as connection:
        connection.execute("select count(*) from identities")
    found = measure_window(clock, warehouse, folder, number, WINDOWS[number][1])
    with clock.measure("publish"):
        warehouse.write_copy(folder / "copy.duckdb")
    clock.say(**found)


def compare(contacts: int, folder: Path, catalogue: str) -> None:
    """Measure both engines, window by window, and print what each step cost on each.

    Raises:
        RuntimeError: they came to different counts.
    """
    engines = {"file": (folder / "one", FILE), "lake": (folder / "several", catalogue)}
    for home, place in engines.values():
        home.mkdir()
        (home / "lake").mkdir()
        run_child(MODULE, "prepare", str(home), place, str(contacts))
    for number, (window, _) in enumerate(WINDOWS):
        measured: dict[str, dict[str, Measured]] = {}
        counts = []
        for engine, (home, place) in engines.items():
            measured[engine], said = run_child(MODULE, "work", str(home), place, str(number))
            counts.append(said)
        if counts[0] != counts[1]:
            raise RuntimeError(f"{window}: the file has {counts[0]}, the lake {counts[1]}")
        for step, on_file in measured["file"].items():
            on_lake = measured["lake"][step]
            say(
                f"| {window} | {step} | {on_file.cpu:.2f} [{on_file.wall:.2f}] |"
                f" {on_lake.cpu:.2f} [{on_lake.wall:.2f}] | {on_lake.cpu / on_file.cpu:.1f} |"
                f" {on_lake.wall / on_file.wall:.1f} |"
            )


def main() -> None:
    """Start PostgreSQL and compare."""
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}")
    parser.add_argument("--contacts", type=int, default=CONTACTS)
    parser.add_argument("--folder", type=Path, help="for the files; else a temporary one")
    chosen = parser.parse_args()
    say(f"{chosen.contacts:,} contacts; {machine()}; load {os.getloadavg()[0]:.1f}")
    say()
    say("| window | step | file: CPU s [wall] | lake: CPU s [wall] | lake : file, CPU | wall |")
    say("|" + "---|" * 6)
    server = start_postgresql()
    try:
        with (
            server.database() as catalogue,
            tempfile.TemporaryDirectory(prefix="lake-", dir=chosen.folder) as made,
        ):
            compare(chosen.contacts, Path(made), catalogue)
    finally:
        server.remove()


if __name__ == "__main__":
    if sys.argv[1:2] == ["prepare"]:
        home = Path(sys.argv[2])
        prepare(home, int(sys.argv[4]), open_engine(home, sys.argv[3]))
        Clock().say()
    elif sys.argv[1:2] == ["work"]:
        work(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
    else:
        main()
