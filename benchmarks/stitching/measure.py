"""One measured piece of work in a process of its own."""

import json
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """CPU seconds of all threads, wall seconds and the largest resident memory in MB."""

    cpu: float
    wall: float
    memory: float


class Clock:
    """Measures named pieces of one process."""

    def __init__(self) -> None:
        self.pieces: dict[str, Measured] = {}

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Add the block's seconds to the piece of this name."""
        cpu, wall = time.process_time(), time.perf_counter()
        yield
        before = self.pieces.get(name, Measured(cpu=0, wall=0, memory=0))
        self.pieces[name] = Measured(
            cpu=before.cpu + time.process_time() - cpu,
            wall=before.wall + time.perf_counter() - wall,
            memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        )

    def say(self, **facts: Any) -> None:
        """Print what was measured, for the parent process."""
        pieces = {name: asdict(piece) for name, piece in self.pieces.items()}
        sys.stdout.write(json.dumps({"pieces": pieces, "facts": facts}) + "\n")


def import_all(*modules: str) -> None:
    """Import these modules, and what DuckDB imports at the first exchange of arrays.

    So that it is not measured.
    """
    for module in modules:
        import_module(module)
    connection = duckdb.connect()
    connection.register("warm", pa.table({"number": [1]}))
    connection.execute("select number from warm").fetchnumpy()
    connection.close()


def say(text: str = "") -> None:
    """Print one line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def run_child(module: str, *arguments: str) -> tuple[dict[str, Measured], dict[str, Any]]:
    """Run a module in a process of its own; what it measured, and what it says.

    Raises:
        RuntimeError: it failed.
    """
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    if done.returncode:
        raise RuntimeError(f"{module} {' '.join(arguments)} failed:\n{done.stderr}")
    answer = json.loads(done.stdout.splitlines()[-1])
    pieces = {name: Measured(**piece) for name, piece in answer["pieces"].items()}
    return pieces, answer["facts"]


def machine() -> str:
    """The processor, its cores and the memory of this machine."""
    processor = platform.processor() or platform.machine()
    cores = 0
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            processor = line.split(":", 1)[1].strip()
            cores += 1
    memory = Path("/proc/meminfo").read_text(encoding="utf-8").split()[1]
    return f"{processor}, {cores} cores, {int(memory) / 1024**2:.0f} GB"
