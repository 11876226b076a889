"""Warehouses for tests, on the engine that the test runs with: see the fixture ``engine``."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from emarsys_pipeline import warehouse
from emarsys_pipeline.warehouse import LakeLocation
from emarsys_pipeline_tests.requirements import POSTGRESQL, needs

LAKE_DATABASE = "EMARSYS_PIPELINE_TESTS_LAKE"
BOTH = ["file", pytest.param("lake", marks=needs(POSTGRESQL))]


@contextmanager
def chosen_engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """Let the warehouses of tests and of their children be on the engine of this parameter."""
    if request.param == "file":
        yield "file"
        return
    from emarsys_pipeline.warehouse.lake_instance import detach_all  # only here: an extra

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(LAKE_DATABASE, request.getfixturevalue("lake_database"))
        yield "lake"
    detach_all()


class Warehouse(warehouse.Warehouse):
    """The warehouse of a folder: a file in it, or a lake of its own with its files there."""

    def __init__(self, directory: Path, *, publish_interval_seconds: float = 30.0) -> None:
        self.directory = directory
        self.analytics_path = directory / "analytics.duckdb"
        place = _place(directory)
        super().__init__(place, publish_interval_seconds=publish_interval_seconds)


def _place(directory: Path) -> Path | LakeLocation:
    # Children of a test are told by the environment, and find the same lake by its folder.
    database = os.environ.get(LAKE_DATABASE)
    if database is None:
        return directory
    name = hashlib.md5(str(directory).encode(), usedforsecurity=False).hexdigest()
    (directory / "lake").mkdir(parents=True, exist_ok=True)
    return LakeLocation(database, f"{directory}/lake/", catalogue_schema=f"lake_{name}")
