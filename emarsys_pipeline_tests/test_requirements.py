"""What is told about tests whose Debian package is missing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_a_group_without_its_program_is_skipped_and_its_package_named(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "emarsys_pipeline_tests/ui"],
        cwd=ROOT,
        # No program is found there.
        env={**os.environ, "PATH": str(tmp_path), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    told = next(line for line in done.stdout.splitlines() if "apt-get" in line)
    assert done.returncode == 0
    assert "passed" not in done.stdout
    assert told.startswith("emarsys_pipeline_tests/ui: ")
    assert told.endswith(" tests skipped, run them after: apt-get install chromium")
