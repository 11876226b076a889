"""The analysts' copy: when it is replaced, what is in it, and that readers never see a half."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from emarsys_pipeline.warehouse.columns import ensure_property_columns
from emarsys_pipeline.warehouse.publish import PublishedCopy
from emarsys_pipeline_tests.builders import add_consent, add_contact, window
from emarsys_pipeline_tests.warehouse.processes import (
    finish,
    kill,
    sleep_for_ever,
    start,
    started,
    wait_for,
)
from emarsys_pipeline_tests.warehouses import Warehouse

PAIR = (
    "select (select count(*) from pipeline.current_contacts),"
    " (select count(*) from pipeline.identity_members)"
)


def add_pair(warehouse: Warehouse, number: int) -> None:
    """One row in each of two tables, in one transaction."""
    with warehouse.write() as connection:
        add_contact(connection, str(number))
        connection.execute(
            "insert into identity_members by name select $id as identity_id, 'emarsys' as source,"
            " 'shop_de' as account, $id as contact_id, $start as first_window_start,"
            " $start as window_start, 'run' as run_id",
            {"id": str(number), "start": window(0).start},
        )


def add_pairs(directory: Path, first: int, how_many: int) -> None:
    warehouse = Warehouse(directory, publish_interval_seconds=0)
    for number in range(first, first + how_many):
        add_pair(warehouse, number)


def read_pairs(directory: Path, stop: Path) -> None:
    """Open the published copy again and again: both tables always tell the same, and never less."""
    path, seen, opened = str(directory / "analytics.duckdb"), 0, 0
    while not stop.exists():
        with duckdb.connect(path, read_only=True) as connection:
            ((contacts, members),) = connection.execute(PAIR).fetchall()
            ((shown,),) = connection.execute("select count(*) from contacts").fetchall()
        assert contacts == members == shown >= seen
        seen, opened = contacts, opened + 1
    assert opened > 2
    assert seen > 0


def stay_before_publishing(directory: Path, marker: Path) -> None:
    """Commit, and be killed before the copy is replaced."""
    PublishedCopy.publish = lambda *_: sleep_for_ever(marker)  # type: ignore[method-assign]
    add_pair(Warehouse(directory, publish_interval_seconds=0), 1)


def stay_while_publishing(directory: Path, marker: Path) -> None:
    """Build the new copy, and be killed before it replaces the old one."""
    Path.replace = lambda *_: sleep_for_ever(marker)  # type: ignore[method-assign,assignment]
    add_pair(Warehouse(directory, publish_interval_seconds=0), 1)


def published_pairs(warehouse: Warehouse) -> int:
    with warehouse.read_published() as connection:
        ((contacts, members),) = connection.execute(PAIR).fetchall()
    assert contacts == members
    return int(contacts)


@contextmanager
def older(path: Path, seconds: float) -> Iterator[None]:
    """Let the copy be older than it is."""
    written_at = path.stat().st_mtime - seconds
    os.utime(path, (written_at, written_at))
    yield


@pytest.fixture
def hourly(tmp_path: Path) -> Warehouse:
    """A warehouse that is published once an hour."""
    made = Warehouse(tmp_path / "warehouse", publish_interval_seconds=3600)
    made.migrate()
    return made


def test_the_copy_is_replaced_at_most_once_per_interval(hourly: Warehouse) -> None:
    add_pair(hourly, 1)
    assert published_pairs(hourly) == 0
    assert not hourly.publish_pending()
    with older(hourly.analytics_path, 3601):
        add_pair(hourly, 2)
        assert published_pairs(hourly) == 2
    assert not hourly.publish_pending(at_once=True)


def test_the_last_commit_is_published_by_whoever_comes_next(hourly: Warehouse) -> None:
    add_pair(hourly, 1)
    with older(hourly.analytics_path, 3601):
        assert Warehouse(hourly.directory, publish_interval_seconds=3600).publish_pending()
    assert published_pairs(hourly) == 1


def test_it_can_be_published_at_once(hourly: Warehouse) -> None:
    add_pair(hourly, 1)
    assert hourly.publish_pending(at_once=True)
    assert published_pairs(hourly) == 1


def test_a_copy_from_the_future_is_replaced(hourly: Warehouse) -> None:
    """The clock may have been set back since it was written."""
    with older(hourly.analytics_path, -86400):
        add_pair(hourly, 1)
    assert published_pairs(hourly) == 1


def test_a_missing_copy_is_made_by_migrating(hourly: Warehouse) -> None:
    add_pair(hourly, 1)
    hourly.analytics_path.unlink()
    hourly.migrate()
    assert published_pairs(hourly) == 1


@pytest.mark.parametrize("child", [stay_before_publishing, stay_while_publishing])
def test_a_commit_whose_writer_was_killed_is_published_by_somebody_else(
    hourly: Warehouse, tmp_path: Path, child: object
) -> None:
    with started(child, hourly.directory, tmp_path / "committed") as process:  # type: ignore[arg-type]
        wait_for(tmp_path / "committed")
        assert published_pairs(hourly) == 0
        kill(process)
    assert hourly.publish_pending(at_once=True)
    assert published_pairs(hourly) == 1
    assert sorted(path.name for path in hourly.directory.iterdir()) == [
        "analytics.duckdb",
        "locks",
        "warehouse.duckdb",
    ]


def test_readers_meet_no_error_and_no_half_while_writers_write(tmp_path: Path) -> None:
    directory, stop = tmp_path / "warehouse", tmp_path / "stop"
    warehouse = Warehouse(directory, publish_interval_seconds=0)
    warehouse.migrate()
    readers = [start(read_pairs, directory, stop) for _ in range(2)]
    try:
        finish(*(start(add_pairs, directory, first, 5) for first in (100, 200)))
        time.sleep(0.3)
    finally:
        stop.touch()
    finish(*readers)
    assert published_pairs(warehouse) == 10


def test_every_published_view_and_column_is_commented(hourly: Warehouse) -> None:
    with hourly.write() as connection:
        ensure_property_columns(connection, {"first_name": "varchar", "points": "double"})
    hourly.publish_pending(at_once=True)
    with hourly.read_published() as connection:
        uncommented = connection.execute(
            "select view_name from duckdb_views() where schema_name = 'main' and not internal"
            " and comment is null union all"
            " select table_name || '.' || column_name from duckdb_columns()"
            " where schema_name = 'main' and not internal and comment is null"
        ).fetchall()
        views = connection.execute(
            "select view_name from duckdb_views() where schema_name = 'main' and not internal"
            " order by view_name"
        ).fetchall()
        comments = connection.execute(
            "select table_name, column_name, comment from duckdb_columns()"
            " where schema_name = 'main' and column_name in ('first_name', 'points') order by all"
        ).fetchall()
        assert not connection.execute("from duckdb_tables() where schema_name = 'main'").fetchall()
    assert uncommented == []
    assert [name for (name,) in views] == [
        "automation_events",
        "consent_history",
        "consent_status",
        "contact_upserts",
        "contacts",
        "identities",
        "identity_decisions",
        "identity_events",
        "identity_members",
        "identity_paths",
        "identity_property_sources",
        "opt_in_deliveries",
        "opt_in_drift",
        "quarantined_links",
        "rejected_values",
        "segment_changes",
        "segment_imports",
    ]
    assert comments == [
        (view, name, f"Mapped property {name}")
        for view in ("contacts", "identities")
        for name in ("first_name", "points")
    ]


def test_raw_rows_and_evidence_stay_in_the_warehouse(hourly: Warehouse) -> None:
    with hourly.write() as connection:
        add_consent(connection, "event", "granted", phone="+4915100000000")
        connection.execute("update consent_events set evidence_hash = 'hash-of-a-body'")
        connection.execute(
            "insert into raw_segment_exports select 'shop', '1', now(), 'raw-contact', 'member',"
            " 'labels', now(), null"
        )
    hourly.publish_pending(at_once=True)
    with hourly.read_published() as connection:
        found = connection.execute(
            "select table_name, column_name from duckdb_columns()"
            " where table_name like 'raw%' or column_name = 'evidence_hash'"
        ).fetchall()
        history = connection.execute("select event_id, status from consent_events").fetchall()
    assert found == []
    assert history == [("event", "granted")]
    content = hourly.analytics_path.read_bytes()
    assert b"hash-of-a-body" not in content
    assert b"raw-contact" not in content


def test_a_property_that_is_mapped_later_appears(hourly: Warehouse) -> None:
    add_pair(hourly, 1)
    for names in ({"city": "varchar"}, {"city": "varchar", "order": "bigint"}):
        with hourly.write() as connection:
            ensure_property_columns(connection, names)
            connection.execute("update current_contacts set city = 'Berlin'")
        assert hourly.publish_pending(at_once=True)
    with hourly.read_published(schema="main") as connection:
        found = connection.execute('select contact_id, city, "order" from contacts').fetchall()
    assert found == [("1", "Berlin", None)]
