"""The commands of ``docs/lake.md`` do what the page says, on a lake of two commits."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import psycopg
import pytest
from typer.testing import CliRunner

from emarsys_pipeline import storage
from emarsys_pipeline.cli.app import app
from emarsys_pipeline.settings import Settings, load_settings
from emarsys_pipeline.warehouse.lake_extensions import load_extensions
from emarsys_pipeline.warehouse.lake_instance import detach_all
from emarsys_pipeline_tests.docs.pages import ROOT
from emarsys_pipeline_tests.requirements import POSTGRESQL, needs
from emarsys_pipeline_tests.settings_files import VALID, written

pytestmark = needs(POSTGRESQL)
PAGE = (ROOT / "docs" / "lake.md").read_text(encoding="utf-8")
GRANT = """
insert into consent_events by name select now() as window_start, $id as event_id,
    'whatsapp' as channel, 'granted' as status, 'granted' as reported_status,
    now() as occurred_at, now() as received_at, 'command' as source, 'p1' as platform_contact_id,
    '' as evidence_hash, 1 as inbox_sequence
"""


@pytest.fixture
def settings(
    tmp_path: Path, postgresql_database: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Settings]:
    monkeypatch.setenv("TEST_CATALOG", postgresql_database)
    lake = f"lake: {{catalog: '${{TEST_CATALOG}}', data_path: {tmp_path}/lake/}}\n"
    settings = load_settings(written(tmp_path, VALID + lake))
    try:
        storage.deploy(settings)
        yield settings
    finally:
        detach_all()


def commands(section: str) -> list[str]:
    """The SQL of a section, one statement each."""
    (text,) = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"^```sql\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [each.strip() for block in blocks for each in block.split(";\n") if each.strip()]


def test_analysts_read_the_lake_as_the_page_says(
    settings: Settings, postgresql_database: str
) -> None:
    warehouse = storage.open_warehouse(settings)
    role = f"analyst_{re.sub('.*test_', '', postgresql_database)}"
    with psycopg.connect(postgresql_database, autocommit=True) as owner:
        for statement in commands("A role that only reads"):
            owner.execute(re.sub("analyst", role, statement).encode())
    for number in ("one", "two"):
        with warehouse.write() as connection:
            connection.execute(GRANT, {"id": number})
        time.sleep(0.01)
    address = re.sub("user=[^ ]+", f"user={role}", postgresql_database)

    def ask(connection: duckdb.DuckDBPyConnection, statement: str) -> list[tuple[object, ...]]:
        place = re.sub("host=db.*?(?=')", address, statement)
        return connection.execute(place).fetchall()

    try:
        with duckdb.connect() as connection:
            load_extensions(connection)
            for statement in commands("Attach")[3:]:
                ask(connection, statement)
            assert ask(connection, "select count(*) from consent_history") == [(2,)]
            shown, hour, earlier, _ = commands("As it was")
            states = ask(connection, shown)
            first = states[-2]
            assert "interval '1 hour'" in hour
            before = re.sub("now.*hour'", f"timestamptz '{first[1]}'", hour)
            before = before.replace("consent_status", "consent_history")
            assert ask(connection, before) == [("granted", 1)]
            ask(connection, earlier.replace("version 2", f"version {first[0]}"))
            count = "select count(*) from earlier.analytics.consent_history"
            assert ask(connection, count) == [(1,)]
            with pytest.raises(duckdb.Error, match="read-only"):
                ask(connection, "delete from lake.main.consent_events")
        with psycopg.connect(address, autocommit=True) as analyst:
            for forbidden in (
                "select * from emarsys_pipeline.emarsys_pipeline_salt",
                "delete from emarsys_pipeline.ducklake_snapshot",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    analyst.execute(forbidden.encode())
    finally:
        with psycopg.connect(postgresql_database, autocommit=True) as owner:
            owner.execute(f"drop owned by {role}; drop role {role}".encode())


def test_the_single_file_is_written_from_a_lake(settings: Settings, tmp_path: Path) -> None:
    with storage.open_warehouse(settings).write() as connection:
        connection.execute(GRANT, {"id": "one"})
    copy = tmp_path / "copies" / "analytics.duckdb"
    command = ["publish", "--to", str(copy), "--config", str(settings.path)]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    with duckdb.connect(str(copy), read_only=True) as connection:
        assert connection.execute("select event_id from consent_history").fetchall() == [("one",)]
        assert connection.execute(
            "select count(*) from duckdb_columns() where schema_name = 'main' and not internal"
            " and comment is null"
        ).fetchall() == [(0,)]
