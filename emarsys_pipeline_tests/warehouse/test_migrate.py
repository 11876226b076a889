"""The schema: each migration once, together with its record."""

import re
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from emarsys_pipeline.warehouse import migrate
from emarsys_pipeline.warehouse.columns import (
    ColumnTypeError,
    ensure_property_columns,
    ensure_raw_field_columns,
    property_columns,
)
from emarsys_pipeline.warehouse.migrate import NewerSchemaError
from emarsys_pipeline.warehouse.sql import load_sql, load_views, quote
from emarsys_pipeline_tests.builders import add_contact, window
from emarsys_pipeline_tests.warehouse.processes import finish, start
from emarsys_pipeline_tests.warehouses import Warehouse

RECORDS = (
    "select name, count(*) from schema_migrations where name not like 'views %'"
    " group by name order by name"
)


def migrate_directory(directory: Path) -> None:
    Warehouse(directory, publish_interval_seconds=3600).migrate()


def rows(warehouse: Warehouse, query: str) -> list[tuple[object, ...]]:
    with warehouse.read() as connection:
        return connection.execute(query).fetchall()


def test_a_migration_is_recorded_once(warehouse: Warehouse) -> None:
    warehouse.migrate()
    assert rows(warehouse, RECORDS) == [(name, 1) for name in sorted(migrate._migrations())]


def test_processes_may_migrate_a_new_file_at_the_same_time(tmp_path: Path) -> None:
    finish(*(start(migrate_directory, tmp_path) for _ in range(3)))
    warehouse = Warehouse(tmp_path, publish_interval_seconds=3600)
    assert rows(warehouse, RECORDS) == [(name, 1) for name in sorted(migrate._migrations())]
    assert rows(warehouse, "select count(*) from consent_status") == [(0,)]


def test_changed_views_replace_those_of_an_existing_file(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    views = load_views("main")
    one = "select 'retired' as retired_identity_id, 'kept' as identity_id"
    changed = f"{views} create or replace view main.identity_aliases as {one};"
    records = "select count(*) from schema_migrations where name like 'views %'"
    with monkeypatch.context() as patched:
        patched.setattr(migrate, "load_views", lambda _tables: changed)
        warehouse.migrate()
        assert rows(warehouse, "from identity_aliases") == [("retired", "kept")]
        assert rows(warehouse, records) == [(1,)]
    warehouse.migrate()
    assert rows(warehouse, "from identity_aliases") == []
    assert rows(warehouse, records) == [(1,)]


def test_contacts_of_before_are_given_the_newest_window_that_touched_them(
    warehouse: Warehouse,
) -> None:
    with warehouse.write() as connection:
        for contact_id, number in (("1", 0), ("1", 2), ("2", 1)):
            add_contact(connection, contact_id, number=number)
        add_contact(connection, "1", number=1, account="shop_at")
    touched = "select account, contact_id, touched_window_start from current_contacts order by all"
    before = rows(warehouse, touched)
    assert [row[2] for row in before] == [window(number).start for number in (1, 2, 1)]
    with warehouse.write() as connection:
        connection.execute("alter table current_contacts drop column touched_window_start")
        connection.execute("delete from schema_migrations where name like '0009%'")
    warehouse.migrate()
    assert rows(warehouse, touched) == before


def test_a_file_of_a_newer_version_is_refused_unchanged(warehouse: Warehouse) -> None:
    with warehouse.write() as connection:
        connection.execute("insert into schema_migrations values ('9999_future.sql', now())")
    before = rows(warehouse, RECORDS)
    with pytest.raises(NewerSchemaError, match=re.escape("9999_future.sql")):
        warehouse.migrate()
    assert rows(warehouse, RECORDS) == before


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param({"0002_broken.sql": "create table a (b integer); select error('')"}, id="sql"),
        pytest.param({"0002_clash.sql": "create table consent_status (b integer)"}, id="views"),
    ],
)
def test_a_migration_that_fails_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: dict[str, str]
) -> None:
    """Tables without the views over them would never get any."""
    known = migrate._migrations()
    with monkeypatch.context() as patched:
        patched.setattr(migrate, "_migrations", lambda: known | broken)
        with pytest.raises(duckdb.Error):
            migrate_directory(tmp_path)
    warehouse = Warehouse(tmp_path, publish_interval_seconds=3600)
    assert rows(warehouse, "select count(*) from duckdb_tables()") == [(0,)]
    warehouse.migrate()
    assert rows(warehouse, "select count(*) from consent_status") == [(0,)]


def test_columns_are_added_once_and_keep_their_type(warehouse: Warehouse) -> None:
    types = {"points": "double", "birth_date": "date", "colours": "varchar[]", "city": "varchar"}
    for _ in range(2):
        with warehouse.write() as connection:
            ensure_property_columns(connection, types)
            ensure_raw_field_columns(connection, ["1", "10231"])
    with warehouse.read() as connection:
        assert property_columns(connection) == sorted(types)
    with warehouse.write() as connection, pytest.raises(ColumnTypeError, match="holds double"):
        ensure_property_columns(connection, {"points": "bigint"})


def refuse_fragments(**fragments: str) -> Callable[[], str]:
    return lambda: load_sql("emarsys_pipeline.warehouse", "decisions_in_force.sql", **fragments)


@pytest.mark.parametrize("fragments", [{}, {"decisions": "a", "more": ""}], ids=["few", "many"])
def test_sql_gets_exactly_the_fragments_that_it_names(fragments: dict[str, str]) -> None:
    with pytest.raises(KeyError, match="needs the fragments"):
        refuse_fragments(**fragments)()


def test_a_quoted_name_is_one_name() -> None:
    assert quote('a"; drop table b') == '"a""; drop table b"'
