"""The filled home, made once and copied, and an instance to run jobs in."""

import shutil
from pathlib import Path

import pytest

from emarsys_pipeline.privacy.erase import Home
from emarsys_pipeline_tests.defs.conftest import instance
from emarsys_pipeline_tests.privacy.people import fill, open_home

__all__ = ["instance"]


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled") / "home"
    fill(folder)
    return folder


@pytest.fixture
def home(filled: Path, tmp_path: Path) -> Home:
    shutil.copytree(filled, tmp_path / "home")
    return open_home(tmp_path / "home")
