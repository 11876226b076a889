"""Fixtures and hooks that all folders of tests share."""

import logging
import shutil
import signal
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from emarsys_pipeline.warehouse import Warehouse as FileWarehouse
from emarsys_pipeline_tests.postgresql import (
    PostgresServer,
    remove_shared_postgresql,
    shared_postgresql,
)
from emarsys_pipeline_tests.requirements import (
    pytest_collection_modifyitems,
    pytest_terminal_summary,
)
from emarsys_pipeline_tests.settings_files import written_with_lake
from emarsys_pipeline_tests.temporary_folder import use_memory
from emarsys_pipeline_tests.warehouses import (
    LAKE_SERVER,
    Warehouse,
    assert_row_ids_are_unique,
    chosen_engine,
    running_lake_server,
)

if TYPE_CHECKING:
    from emarsys_pipeline.postgresql import Database

__all__ = ["pytest_collection_modifyitems", "pytest_terminal_summary", "warehouse"]


def pytest_configure() -> None:
    """Let tests interrupt the commands they start, and write their files without waiting.

    A shell starts what runs in its background with interrupts ignored, and children inherit it.
    """
    use_memory()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End the database server, if the tests of this session or of its workers started one."""
    if not hasattr(session.config, "workerinput"):
        remove_shared_postgresql(session.config._tmp_path_factory.getbasetemp())  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def whole_log(caplog: pytest.LogCaptureFixture) -> None:
    """Let each test see all lines of ours that it asks for.

    Dagster gives our logger the level of dagster.yaml in any process that has opened an instance,
    and a search of the log for what must not be there would pass because nothing is there.
    """
    caplog.set_level(logging.NOTSET, logger="emarsys_pipeline")


@pytest.fixture(scope="module")
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where the test's warehouses are; folders of tests choose further engines."""
    with chosen_engine(request) as name:
        yield name


@pytest.fixture(autouse=True)
def file_unless_asked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the engine from tests that do not ask for one and run in between."""
    if "engine" not in request.fixturenames:
        monkeypatch.delenv(LAKE_SERVER, raising=False)


@pytest.fixture(scope="module", autouse=True)
def lakes_let_go() -> Iterator[None]:
    """Detach the lakes of a module: DuckDB looks into all for a name that it does not know."""
    yield
    instance = sys.modules.get("emarsys_pipeline.warehouse.lake_instance")
    if instance is not None:
        instance.detach_all()


@pytest.fixture(scope="session")
def lake_server() -> Iterator[str]:
    """The address of a server for this process's lakes, with a migrated one to be copied."""
    with running_lake_server() as address:
        yield address


@pytest.fixture(scope="session")
def migrated_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an empty, migrated file, made once to be copied."""
    directory = tmp_path_factory.mktemp("migrated")
    FileWarehouse(directory).migrate()
    return directory


@pytest.fixture
def warehouse(engine: str, migrated_directory: Path, tmp_path: Path) -> Iterator[Warehouse]:
    """An empty, migrated warehouse, which is not published by writing."""
    if engine == "file":
        shutil.copytree(migrated_directory, tmp_path / "warehouse")
    made = Warehouse(tmp_path / "warehouse", publish_interval_seconds=3600)
    yield made
    if engine == "lake":
        assert_row_ids_are_unique(made)


@pytest.fixture(scope="session")
def postgresql(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> PostgresServer:
    """A PostgreSQL server for all tests of the session; mark those that use it as needing it."""
    folder = tmp_path_factory.getbasetemp()
    return shared_postgresql(folder.parent if hasattr(request.config, "workerinput") else folder)


@pytest.fixture
def postgresql_database(postgresql: PostgresServer) -> Iterator[str]:
    """The connection string of an empty database of the test's own."""
    with postgresql.database() as address:
        yield address


@pytest.fixture
def lake_settings(
    tmp_path: Path, postgresql_database: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A settings file with a lake that nobody has made yet."""
    from emarsys_pipeline.warehouse.lake_instance import detach_all  # only here: an extra

    monkeypatch.setenv("TEST_CATALOG", postgresql_database)
    yield written_with_lake(tmp_path)
    detach_all()


@pytest.fixture(scope="session")
def new_schema(postgresql: PostgresServer) -> Iterator["Callable[[], Database]"]:
    """Names schemas of one database, one for each test: they cost less than databases."""
    from emarsys_pipeline.postgresql import Database  # only here: its client is an extra

    with postgresql.database() as address:
        yield lambda: Database(address, f"schema {uuid.uuid4().hex}")
