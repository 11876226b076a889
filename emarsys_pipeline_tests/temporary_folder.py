"""Where tests put their files: in memory, where the machine has enough of it.

Most of the tests commit to databases, and each commit waits for the disk. What a killed process
leaves behind is the same in memory; only a power cut would differ, and no test cuts the power.
"""

import os
import shutil
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of pytest's own is made in it
NEEDED_BYTES = 4 * 2**30


def use_memory() -> None:
    """Let this process and its children make temporary files in memory; TMPDIR comes first."""
    if "TMPDIR" in os.environ or not _is_fit(MEMORY):
        return
    os.environ["TMPDIR"] = str(MEMORY)
    tempfile.tempdir = None  # it is looked up again


def _is_fit(folder: Path) -> bool:
    """Whether it is there, large enough, and lets programs run."""
    if not os.access(folder, os.W_OK):
        return False
    may_run = not os.statvfs(folder).f_flag & os.ST_NOEXEC
    return may_run and min(shutil.disk_usage(folder).free, _available_bytes()) >= NEEDED_BYTES


def _available_bytes() -> int:
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    (line,) = [line for line in lines if line.startswith("MemAvailable:")]
    return int(line.split()[1]) * 1024
