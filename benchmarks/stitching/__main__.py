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

"of the unavoidable" divides the step by their sum, "of it with contacts alone" by the sum without
the write of identity_identifiers, although the step does write it. Golden records are what a
further run with them takes longer.

**The kernel.** The links of the same population, without guards, are given to each contestant,
which reads them from a DuckDB file and writes one row per contact. All must give the same
components.

Every contestant runs in a process of its own; what it imports is outside the clock. Ratios are of
CPU seconds of all threads.

Run it with ``python -m benchmarks.stitching [--millions 0.5 5 20]``; networkx and the recursive
query take part below a million contacts. It needs the extra ``benchmark``.
"""

import argparse
import os
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path

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


def compare_step(folder: Path, contacts: int) -> None:
    """Print the rows of one population."""
    run_child(CHILD, "generate", str(folder), str(contacts))
    apart = folder.with_suffix(".apart")
    shutil.copytree(folder, apart)
    both = run_child(CHILD, "stitch", str(apart), "yes")[0]["stitch"]
    shutil.rmtree(apart)
    pieces, facts = run_child(CHILD, "stitch", str(folder), "no")
    least, _ = run_child(CHILD, "floor", str(folder))
    alone = pieces["stitch"]
    step = alone.cpu
    write = least.pop("write identifiers").cpu
    strict = sum(piece.cpu for piece in least.values())
    least_text = ", ".join(f"{name} {piece.cpu:.2f}" for name, piece in least.items())
    say(
        f"| {contacts:,} | **{step / (strict + write):.2f}** | {step / strict:.2f} | {step:.2f}"
        f" [{alone.wall:.2f}] | {least_text}, write identifiers {write:.2f} |"
        f" {contacts / step:,.0f} | {alone.memory:,.0f} |"
        f" {both.cpu - step:.2f} [{both.wall - alone.wall:.2f}] |"
        f" {facts['identities']:,} | {facts['largest']} |"
    )


def compare_kernels(folder: Path, contacts: int) -> None:
    """Print the rows of one graph.

    Raises:
        RuntimeError: two contestants disagree.
    """
    path = folder.with_suffix(".graph")
    run_child(CHILD, "graph", str(folder), str(path))
    found: dict[str, Measured] = {}
    answers = set()
    for name in CONTESTANTS:
        if name in SLOW and contacts > LARGEST_FOR_SLOW:
            continue
        if not all(find_spec(module.partition(".")[0]) for module in MODULES.get(name, ())):
            say(f"| {contacts:,} | {name} | not installed | | |")
            continue
        pieces, facts = run_child(KERNELS, name, str(path))
        found[name] = pieces[name]
        if name != "floor":
            answers.add((facts["digest"], facts["components"]))
    if len(answers) > 1:
        raise RuntimeError(f"the contestants disagree about {contacts:,} contacts: {answers}")
    ours = found["ours"]
    for name, piece in found.items():
        say(
            f"| {contacts:,} | {name} | **{piece.cpu / ours.cpu:.2f}** | {seconds(piece)} |"
            f" {piece.memory:,.0f} |"
        )
    path.unlink()


def main(millions: list[float], folder: Path) -> None:
    """Measure and print."""
    say(f"{machine()}; load {os.getloadavg()[0]:.1f}")
    say()
    say(
        "| contacts | of the unavoidable | of it with contacts alone | CPU s [wall] |"
        " unavoidable CPU s | contacts per CPU s | peak MB | golden records |"
        " identities | largest |"
    )
    say("|" + "---|" * 10)
    folders = {
        int(size * 1_000_000): folder / f"contacts_{int(size * 1_000_000)}" for size in millions
    }
    for contacts, place in folders.items():
        compare_step(place, contacts)
        if contacts > LARGEST_FOR_KERNELS:
            shutil.rmtree(place)
    say()
    say("| contacts | components by | times our CPU | CPU s [wall] | peak MB |")
    say("|" + "---|" * 5)
    for contacts, place in folders.items():
        if contacts <= LARGEST_FOR_KERNELS:
            compare_kernels(place, contacts)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stitching")
    parser.add_argument("--millions", nargs="+", type=float, default=[0.5])
    parser.add_argument("--folder", type=Path, help="for the files; else a temporary one")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stitching-", dir=chosen.folder) as name:
        main(chosen.millions, Path(name))
