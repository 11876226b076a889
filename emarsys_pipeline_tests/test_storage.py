"""The same settings with and without a lake: what is opened, and that one step makes it all."""

import json
import shutil
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from emarsys_pipeline import storage
from emarsys_pipeline.cli.app import app
from emarsys_pipeline.defs.resources import WarehouseResource, build_resources
from emarsys_pipeline.postgresql import Database, DatabaseError
from emarsys_pipeline.settings import Settings, load_settings
from emarsys_pipeline.warehouse import LakeError, LakeLocation, Warehouse
from emarsys_pipeline_tests.requirements import POSTGRESQL, needs

pytestmark = needs(POSTGRESQL)


@pytest.fixture
def settings(lake_settings: Path) -> Settings:
    return load_settings(lake_settings)


def test_one_step_makes_all_that_is_shared(settings: Settings, lake_settings: Path) -> None:
    command = ["migrate", "--config", str(lake_settings), "--json"]
    for _ in range(2):
        result = CliRunner().invoke(app, command, catch_exceptions=False)
        assert json.loads(result.stdout) == {"stored": f"the lake {settings.home.parent}/lake/"}
    warehouse = storage.open_warehouse(settings)
    warehouse.prepare()
    with warehouse.read() as connection:
        assert connection.execute("from consent_status").fetchall() == []
    with warehouse.read_published(schema="main") as connection:
        assert connection.execute("from consent_status").fetchall() == []
    with storage.open_inbox(settings) as inbox:
        assert inbox.last_sequence() == 0
    assert isinstance(storage.rate_limits(settings), Database)
    assert not settings.home.exists()


def test_who_comes_before_that_step_is_told_of_it(settings: Settings) -> None:
    warehouse = storage.open_warehouse(settings)
    assert not warehouse.is_published
    with pytest.raises(LakeError, match="run emarsys-pipeline migrate"):
        warehouse.prepare()
    with storage.open_inbox(settings) as inbox, pytest.raises(DatabaseError, match="migrate"):
        inbox.last_sequence()


def test_files_that_cannot_be_read_are_told_before_a_run(settings: Settings) -> None:
    from emarsys_pipeline.warehouse.lake_instance import detach_all  # only here: an extra

    storage.deploy(settings)
    storage.open_warehouse(settings).examine()
    detach_all()
    shutil.rmtree(settings.home.parent / "lake")
    with pytest.raises(LakeError, match="the lake cannot be read: see that PostgreSQL runs"):
        storage.open_warehouse(settings).examine()


def test_a_lake_that_is_not_reached_is_no_hindrance_to_others(
    settings: Settings, tmp_path: Path
) -> None:
    """DuckDB looks into every attached database for a name that it does not know."""
    nowhere = Warehouse(LakeLocation(f"host={tmp_path} dbname=lake", f"{tmp_path}/lake/"))
    with pytest.raises(LakeError, match="see that PostgreSQL runs"), nowhere.read():
        pass
    storage.deploy(settings)
    unknown = pytest.raises(duckdb.CatalogException, match="unknown_function")
    with storage.open_warehouse(settings).read() as connection, unknown:
        connection.execute("select unknown_function()")


def test_resources_open_the_same_and_name_no_secret(settings: Settings) -> None:
    storage.deploy(settings)
    resources = build_resources(settings)
    opened = resources["warehouse"]
    assert isinstance(opened, WarehouseResource)
    assert opened.open().place == storage.open_warehouse(settings).place
    shown = " ".join(str(resource.model_dump()) for resource in resources.values())
    assert "TEST_CATALOG" in shown
    assert "dbname" not in shown
