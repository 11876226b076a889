"""Erasing a person from a lake: rows, older snapshots, files, statistics and the catalogue."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import psycopg
import pytest

from emarsys_pipeline.privacy.erase import Home, erase, look_up
from emarsys_pipeline.privacy.export import export_person
from emarsys_pipeline.privacy.search import search_home
from emarsys_pipeline.warehouse.lake_instance import detach_all
from emarsys_pipeline_tests.privacy.people import (
    LENA_IDS,
    LENA_OLD_MAIL,
    LENA_PHONE,
    LENA_TEXTS,
    OTTO_MAIL,
    fill,
)
from emarsys_pipeline_tests.requirements import POSTGRESQL, needs

pytestmark = needs(POSTGRESQL)


@pytest.fixture
def home(
    tmp_path: Path, postgresql_database: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Home]:
    monkeypatch.setenv("TEST_CATALOG", postgresql_database)
    lake = {"catalog": "${TEST_CATALOG}", "data_path": f"{tmp_path}/lake/"}
    try:
        yield fill(tmp_path / "home", lake)
    finally:
        detach_all()


def found(home: Home) -> set[str]:
    findings = search_home(home.warehouse, home.settings.home, texts=LENA_TEXTS, ids=LENA_IDS)
    return {f"{each.file}: {each.place}" for each in findings}


def in_files(folder: Path) -> list[str]:
    """Parquet files of the lake that hold a text, whether the catalogue names them or not."""
    with duckdb.connect() as connection:
        return [
            path.name
            for path in folder.rglob("*.parquet")
            if any(
                text in str(row).lower()
                for row in connection.execute("from read_parquet($1)", [str(path)]).fetchall()
                for text in LENA_TEXTS
            )
        ]


def in_catalogue(address: str) -> list[str]:
    """Tables of the catalogue that hold a text, also as the bytes of a stored row."""
    with psycopg.connect(address, autocommit=True) as session:
        names = session.execute(
            "select tablename from pg_tables where schemaname = 'emarsys_pipeline'"
        ).fetchall()
        tables = {
            name: session.execute(f'select * from emarsys_pipeline."{name}"'.encode()).fetchall()  # noqa: S608
            for (name,) in names
        }
    return [
        name
        for name, rows in tables.items()
        for text in LENA_TEXTS
        if any(text in str(row).lower() for row in rows)
    ]


def test_nothing_of_a_person_remains_in_a_lake(
    home: Home, tmp_path: Path, postgresql_database: str
) -> None:
    places = {each.split(": ")[0] for each in found(home)}
    assert {"the lake", "the catalogue"} <= places
    assert in_catalogue(postgresql_database)
    otto = export_person(home, look_up(home, OTTO_MAIL))
    with home.warehouse.read() as connection:
        ((version,),) = connection.execute(
            "select max(snapshot_id) from ducklake_snapshots(current_database())"
        ).fetchall()
        earlier = f"select count(*) from mapped_contacts at (version => {version})"  # noqa: S608
        assert connection.execute(earlier).fetchall() != [(0,)]
    # So that there is a file to be cleaned, and one that only an older snapshot shows.
    with home.warehouse.write() as connection:
        connection.execute(
            "insert into rejected_values by name select account, segment_id, window_start,"
            " contact_id, property, field_id, $text as raw_value, reason from rejected_values,"
            " range(300)",
            {"text": LENA_OLD_MAIL},
        )
    with home.warehouse.write() as connection:
        connection.execute(
            "delete from rejected_values where raw_value = $text", {"text": LENA_OLD_MAIL}
        )
    assert in_files(tmp_path / "lake")

    erase(home, look_up(home, LENA_PHONE))

    assert found(home) == set()
    assert in_files(tmp_path / "lake") == []
    assert in_catalogue(postgresql_database) == []
    after = export_person(home, look_up(home, OTTO_MAIL))
    otto["inbox"]["consent"], after["inbox"]["consent"] = [], []  # a note on Lena was in there
    assert after == otto
    with home.warehouse.read() as connection, pytest.raises(duckdb.Error, match="snapshot"):
        connection.execute(earlier)
