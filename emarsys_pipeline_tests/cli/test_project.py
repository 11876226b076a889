"""init, query and the commands at the inbox's door."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from emarsys_pipeline.cli.app import app
from emarsys_pipeline.clock import utc_now
from emarsys_pipeline.inbox import Inbox
from emarsys_pipeline.settings import Settings, load_settings
from emarsys_pipeline.warehouse import Warehouse
from emarsys_pipeline_tests.builders import add_contact


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The example settings, written by ``init`` into an empty folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EMARSYS_PIPELINE_CONFIG", raising=False)
    assert run("init").exit_code == 0
    return load_settings()


def run(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=text)


def test_init_writes_settings_that_load_and_never_replaces_them(settings: Settings) -> None:
    assert settings.path == Path.cwd() / "emarsys_pipeline.yaml"
    assert [account.name for account in settings.accounts] == ["shop_de"]
    assert settings.windows.grid.newest_closed(utc_now()) is not None
    assert utc_now() - settings.windows.start < timedelta(days=2, minutes=1)
    again = run("init")
    assert again.exit_code == 1
    assert "exists already" in again.output


def test_query_before_the_first_import_says_what_to_do(settings: Settings) -> None:
    result = run("query", "select 1")
    assert result.exit_code == 1
    assert "emarsys-pipeline demo" in result.output
    assert not settings.home.exists()


def test_query_reads_the_published_views(settings: Settings) -> None:
    warehouse = Warehouse(settings.warehouse_directory, publish_interval_seconds=0)
    warehouse.migrate()
    with warehouse.write() as connection:
        add_contact(connection, "7", phones=["+491700000001"])
    statement = "select account, contact_id, phone_numbers from contacts"
    assert json.loads(run("query", statement, "--json").output) == [
        {"account": "shop_de", "contact_id": "7", "phone_numbers": ["+491700000001"]}
    ]
    assert json.loads(run("query", "-", "--json", text="select 1 as one").output) == [{"one": 1}]
    assert "+491700000001" in run("query", statement).output


def test_query_cannot_write_and_shows_what_is_wrong(settings: Settings) -> None:
    Warehouse(settings.warehouse_directory).migrate()
    refused = run("query", "create table t (x int)")
    assert refused.exit_code == 1
    assert "read-only" in refused.output
    assert run("query", "selec 1").exit_code == 1


def test_single_decisions_enter_the_inbox(settings: Settings) -> None:
    assert run("opt-in", "grant", "--phone", "+491700000001").exit_code == 0
    assert run("opt-in", "withdraw", "--email", "person@example.org").exit_code == 0
    nobody = run("opt-in", "grant")
    assert nobody.exit_code == 2
    with Inbox(settings.inbox_path) as inbox:
        rows = inbox.fetch("consent").to_pylist()
    assert [(row["status"], row["phone"], row["email"], row["source"]) for row in rows] == [
        ("granted", "+491700000001", None, "command"),
        ("withdrawn", None, "person@example.org", "command"),
    ]


def test_a_file_enters_the_inbox_once_and_bad_rows_are_named(
    settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "decisions.csv"
    file.write_text(
        "event_id,phone,channel,status,occurred_at\n"
        "e1,+491700000001,whatsapp,granted,2026-01-01T00:00:00Z\n"
        "e2,+491700000002,whatsapp,granted,yesterday\n",
        encoding="utf-8",
    )
    first = run("inbox", "load", str(file))
    assert first.exit_code == 1
    assert "2 rows: 1 new, 0 known already, 1 rejected" in first.output
    assert "row 2:" in first.output
    assert "0 new, 1 known already" in run("inbox", "load", str(file)).output
    with Inbox(settings.inbox_path) as inbox:
        assert [row["event_id"] for row in inbox.fetch("consent").to_pylist()] == ["e1"]


def test_status_tells_what_is_behind_and_what_was_refused(settings: Settings) -> None:
    assert run("status").exit_code == 1
    warehouse = Warehouse(settings.warehouse_directory, publish_interval_seconds=0)
    warehouse.migrate()
    nothing = run("status", "--json")
    assert nothing.exit_code == 0
    assert json.loads(nothing.output)["segments"] == []
    with warehouse.write() as connection:
        connection.execute(
            "insert into segment_imports by name select 'shop_de' as account, '1' as segment_id,"
            " $start::timestamptz as window_start, 'full' as mode, now() as requested_at,"
            " now() as landed_at, 7 as members, 7 as rows_delivered, 7 as entered, 0 as departed,"
            " 0 as changed, []::varchar[] as export_ids, 3 as api_calls, 0 as bytes_downloaded,"
            " 1.0 as seconds, 'run' as run_id",
            {"start": settings.windows.start},
        )
        connection.execute(
            "insert into opt_in_deltas by name select $start::timestamptz as window_start,"
            " 'd' as delta_id, 'shop_de' as account, '7' as contact_id, 'i' as identity_id,"
            " '10500' as field_id, 'granted' as new_value, 'granted' as reason, 'e' as event_id,"
            " '' as predecessor, now() as derived_at, 'run' as run_id",
            {"start": settings.windows.start},
        )
    result = run("status", "--json")
    assert result.exit_code == 1
    found = json.loads(result.output)
    assert [(row["segment"], row["contacts"], row["behind"]) for row in found["segments"]] == [
        ("shop_de-1", 7, True)
    ]
    assert [(row["outcome"], row["opt-in values"]) for row in found["outbox"]] == [("pending", 1)]
    assert found["segments_behind"] == 1
    assert "A segment is behind" in run("status").output
