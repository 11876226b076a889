"""The commands for values that Emarsys refused for good."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from emarsys_pipeline.cli.app import app
from emarsys_pipeline.settings import load_settings
from emarsys_pipeline.warehouse import Warehouse
from emarsys_pipeline_tests.builders import window

DELTA = {
    "window_start": window(0).start,
    "delta_id": "d1",
    "account": "shop_de",
    "contact_id": "7",
    "identity_id": "i",
    "field_id": "10500",
    "new_value": "granted",
    "reason": "granted",
    "event_id": "e",
    "predecessor": "",
    "derived_at": window(0).start,
    "run_id": "run",
}
PUSH = {
    **{name: DELTA[name] for name in ("window_start", "delta_id", "account", "contact_id")},
    "batch_id": "b",
    "field_id": "10500",
    "value": "granted",
    "attempt": 1,
    "outcome": "rejected",
    "is_retryable": False,
    "http_status": 200,
    "reply_code": "2007",
    "reply_text": "Invalid choice id",
    "remedy": "opt_in.field must be a text field.",
    "intended_at": window(0).start,
    "settled_at": window(0).start,
    "run_id": "run",
}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def insert(warehouse: Warehouse, table: str, row: dict[str, Any]) -> None:
    columns = ", ".join(f"${name} as {name}" for name in row)
    with warehouse.write() as connection:
        connection.execute(f"insert into {table} by name select {columns}", row)


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """A warehouse with one dead letter."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EMARSYS_PIPELINE_CONFIG", raising=False)
    assert run("init").exit_code == 0
    assert run("opt-in", "dead-letters").exit_code == 1
    warehouse = Warehouse(load_settings().warehouse_directory, publish_interval_seconds=0)
    warehouse.migrate()
    assert "no dead letters" in run("opt-in", "dead-letters").output
    insert(warehouse, "opt_in_deltas", DELTA)
    insert(warehouse, "opt_in_pushes", PUSH)
    return warehouse


def test_dead_letters_are_listed_and_sent_again(refused: Warehouse) -> None:
    assert json.loads(run("opt-in", "dead-letters", "--json").output) == [
        {
            "delta_id": "d1",
            "account": "shop_de",
            "contact_id": "7",
            "value": "granted",
            "attempts": 1,
            "settled_at": "2026-01-01T00:00:00Z",
            "http_status": 200,
            "reply_code": "2007",
            "reply_text": "Invalid choice id",
            "remedy": "opt_in.field must be a text field.",
        }
    ]
    shown = run("opt-in", "dead-letters").output
    assert "1 opt-in values refused for good" in shown
    assert "opt-in replay --all" in shown
    assert "1 values are due again" in run("opt-in", "replay", "--delta", "d1").output
    assert json.loads(run("opt-in", "replay", "--all", "--json").output) == {"replayed": 0}
    assert json.loads(run("opt-in", "dead-letters", "--json").output) == []
    with refused.read() as connection:
        assert connection.execute("select outcome, attempts from opt_in_deliveries").fetchall() == [
            ("pending", 1)
        ]


def test_replay_says_what_it_needs(refused: Warehouse) -> None:
    assert run("opt-in", "replay").exit_code == 2
    assert run("opt-in", "replay", "--all", "--delta", "d1").exit_code == 2
    unknown = run("opt-in", "replay", "--delta", "d2")
    assert unknown.exit_code == 1
    assert "there is no delta d2" in unknown.output
    with refused.read() as connection:
        assert connection.execute("from opt_in_replays").fetchall() == []
