"""How much stitching costs beside what nobody can avoid, and beside other tools.

**The step.** Each size is a population of contacts of both sides (``contacts.sql``: re-appearing
people, households, chains, offices, junk), stored as mapping and ingestion leave it. Stitching it
for the first time, with all guards, history and bookkeeping, is measured in one process; in another
what nobody can avoid, by the same DuckDB on the same rows:

- aggregate: the stored identifiers, unnested and grouped by value;
- join: the shared ones back to their contacts, which gives the links;
- write: the map. It has two sides, and readers need both: which identity a contact belongs to
  (identity_members), and which identity an identifier stands for (identity_identifiers, by which
  consent finds its person). Both are written as they are stored, from temporary copies with ready
  ids.

Both write with one thread, which is the cheaper way, and aggregate and join with all. "of the
unavoidable" divides the step by their sum, "of it with contacts alone" by the sum without the write
of identity_identifiers, although the step does write it. Up to a million contacts there are several
rounds, of which the median is shown. Golden records are measured apart, in a run of both.

**The kernel.** The links of the same population, without guards, are given to each contestant,
which reads them from a DuckDB file and writes one row per contact. All must give the same
components.

**A window in which few changed**: :mod:`benchmarks.stitching.delta`.

Every contestant runs in a process of its own; what it imports is outside the clock. Ratios are of
CPU seconds of all threads.

Run it with ``python -m benchmarks.stitching [--millions 0.5 5 20]``; networkx and the recursive
query take part up to a million contacts, and above ten million only the step is measured. It needs
the extra ``benchmark``.
"""

import argparse
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import duckdb

from benchmarks.stitching import delta
from benchmarks.stitching.kernels import CONTESTANTS, MODULES
from benchmarks.stitching.measure import Measured, machine, run_child, say

CHILD = "benchmarks.stitching.child"
KERNELS = "benchmarks.stitching.kernels"
SLOW = ("networkx", "recursive SQL")
LARGEST_FOR_SLOW = 1_000_000
LARGEST_FOR_KERNELS = 10_000_000


def seconds(piece: Measured) -> str:
    """CPU and wall seconds."""
    return f"{piece.cpu:.2f} [{piece.wall:.2f}]"


def compare_step(folder: Path, contacts: int, rounds: int) -> None:
    """Print the row of one population: the round whose ratio is the median."""
    run_child(CHILD, "generate", str(folder), str(contacts))
    golden = "not measured"
    if contacts <= LARGEST_FOR_KERNELS:
        with copied(folder) as apart:
            both = run_child(CHILD, "stitch", str(apart), "yes")[0]["stitch"]
            golden = f"with them {seconds(both)}, peak {both.memory:,.0f} MB"
    found = []
    for _ in range(rounds):
        with copied(folder) as apart:
            pieces, facts = run_child(CHILD, "stitch", str(apart), "no")
            least, _ = run_child(CHILD, "floor", str(apart))
        found.append((_ratio(pieces["stitch"], least), pieces["stitch"], least, facts))
    found.sort(key=lambda of_round: of_round[0])
    ratio, step, least, facts = found[len(found) // 2]
    alone = {name: piece for name, piece in least.items() if name != "write identifiers"}
    least_text = ", ".join(f"{name} {piece.cpu:.2f}" for name, piece in least.items())
    say(
        f"| {contacts:,} | **{ratio:.2f}** | {found[0][0]:.2f} to {found[-1][0]:.2f} |"
        f" {_ratio(step, alone):.2f} | {contacts / step.cpu:,.0f} | {step.memory:,.0f} |"
        f" {seconds(step)} | {sum(piece.cpu for piece in least.values()):.2f} ({least_text}) |"
        f" {golden} | {facts['identities']:,} | {facts['largest']} |"
    )


def _ratio(step: Measured, least: Mapping[str, Measured]) -> float:
    return step.cpu / sum(piece.cpu for piece in least.values())


@contextmanager
def copied(folder: Path) -> Iterator[Path]:
    """A copy of a folder that is gone afterwards."""
    apart = folder.with_suffix(".apart")
    shutil.copytree(folder, apart)
    try:
        yield apart
    finally:
        shutil.rmtree(apart)


def compare_kernels(folder: Path, contacts: int, rounds: int) -> None:
    """Print the rows of one graph: of each contestant the median round.

    Raises:
        RuntimeError: two contestants disagree.
    """
    path = folder.with_suffix(".graph")
    run_child(CHILD, "graph", str(folder), str(path))
    found: dict[str, list[Measured]] = {}
    answers = set()
    for name in list(CONTESTANTS) * rounds:
        if name in SLOW and contacts > LARGEST_FOR_SLOW:
            continue
        if not all(find_spec(module.partition(".")[0]) for module in MODULES.get(name, ())):
            if name not in found:
                say(f"| {contacts:,} | {name} | not installed | | |")
                found[name] = []
            continue
        pieces, facts = run_child(KERNELS, name, str(path))
        found.setdefault(name, []).append(pieces[name])
        if name != "floor":
            answers.add((facts["digest"], facts["components"]))
    if len(answers) > 1:
        raise RuntimeError(f"the contestants disagree about {contacts:,} contacts: {answers}")
    medians = {
        name: sorted(pieces, key=lambda piece: piece.cpu)[len(pieces) // 2]
        for name, pieces in found.items()
        if pieces
    }
    for name, piece in medians.items():
        say(
            f"| {contacts:,} | {name} | **{piece.cpu / medians['ours'].cpu:.2f}** |"
            f" {seconds(piece)} | {piece.memory:,.0f} |"
        )
    path.unlink()


def main(millions: list[float], folder: Path, rounds: int = 3) -> None:
    """Measure and print."""
    say(f"{machine()}; DuckDB {duckdb.__version__}; load {os.getloadavg()[0]:.1f}")
    say()
    say(
        "| contacts | of the unavoidable | in the rounds | of it with contacts alone |"
        " contacts per CPU s | peak MB | CPU s [wall] | unavoidable CPU s | golden records,"
        " CPU s [wall] | identities | largest |"
    )
    say("|" + "---|" * 11)
    folders = {
        int(size * 1_000_000): folder / f"contacts_{int(size * 1_000_000)}" for size in millions
    }
    for contacts, place in folders.items():
        compare_step(place, contacts, _rounds(contacts, rounds))
        if contacts > LARGEST_FOR_KERNELS:
            shutil.rmtree(place)
    say()
    say("| contacts | components by | times our CPU | CPU s [wall] | peak MB |")
    say("|" + "---|" * 5)
    for contacts, place in folders.items():
        if contacts <= LARGEST_FOR_KERNELS:
            compare_kernels(place, contacts, _rounds(contacts, rounds))
            shutil.rmtree(place)
    say()
    delta.say_header()
    for contacts in folders:
        if contacts <= LARGEST_FOR_KERNELS:
            home = folder / f"delta_{contacts}"
            home.mkdir()
            delta.compare(contacts, home, rounds)
            shutil.rmtree(home)


def _rounds(contacts: int, rounds: int) -> int:
    return rounds if contacts <= LARGEST_FOR_SLOW else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stitching")
    parser.add_argument("--millions", nargs="+", type=float, default=[0.5])
    parser.add_argument(
        "--rounds",
        type=int,
        default=3,
        help="of small windows, and of all else up to a million contacts",
    )
    parser.add_argument("--folder", type=Path, help="for the files; else a temporary one")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stitching-", dir=chosen.folder) as made:
        main(chosen.millions, Path(made), chosen.rounds)
