"""What explain prints and what an analyst finds in consent_history are the same, step by step."""

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from emarsys_pipeline.explain import Step, explain
from emarsys_pipeline_tests.builders import (
    add_consent,
    add_contact,
    add_platform_contact,
    window,
)
from emarsys_pipeline_tests.cli.running import SETTINGS, WSSE, make_run
from emarsys_pipeline_tests.stages.deciding import add_field, derive, rows, stitch
from emarsys_pipeline_tests.warehouses import Warehouse

MOBILE, MAIL = "+491701234567", "lena@example.org"
START = window(0).start
COLUMNS = ", ".join(field.name for field in fields(Step))
IN_ORDER = (
    f"select {COLUMNS} from consent_history where identity_id = $id order by"  # noqa: S608
    " happened_at, step_number, account, contact_id, event_id, delta_id, attempt,"
    " left_identity_id, joined_identity_id"
)


def at(minutes: int) -> datetime:
    return datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=minutes)


def add_push(
    warehouse: Warehouse, contact_id: str, attempt: int, outcome: str, minutes: int
) -> None:
    """An attempt at the newest delta of a contact, settled a minute later unless still unknown."""
    with warehouse.write() as connection:
        connection.execute(
            "insert into opt_in_pushes by name select window_start, account, 'b' || $attempt as"
            " batch_id, delta_id, contact_id, field_id, new_value as value, $attempt as attempt,"
            " $outcome as outcome, false as is_retryable,"
            " case when $outcome = 'accepted' then 200 when $outcome = 'rejected' then 400 end as"
            " http_status, case when $outcome = 'rejected' then '2007' end as reply_code,"
            " $at::timestamptz as intended_at,"
            " case when $outcome <> 'unknown' then $at::timestamptz + interval 1 minute end as"
            " settled_at, 'run' as run_id from opt_in_deltas where contact_id = $contact_id"
            " order by derived_at desc limit 1",
            {"attempt": attempt, "outcome": outcome, "at": at(minutes), "contact_id": contact_id},
        )


@pytest.fixture
def person(warehouse: Warehouse) -> str:
    """Two people who become one: decisions, deltas, refused and confirmed requests, drift."""
    add_field(warehouse)
    with warehouse.write() as connection:
        add_contact(connection, "1", phones=[MOBILE])
        add_contact(connection, "2", emails=[MAIL])
        add_consent(connection, "e1", "granted", minute=1, phone=MOBILE)
    stitch(warehouse)
    derive(warehouse, 0)
    add_push(warehouse, "1", 1, "rejected", 1)
    add_push(warehouse, "1", 2, "accepted", 5)
    with warehouse.write() as connection:
        add_platform_contact(connection, "p", number=1, phone=MOBILE, email=MAIL)
        add_consent(connection, "e2", "withdrawn", number=1, minute=1, platform_contact_id="p")
    stitch(warehouse, 1)
    derive(warehouse, 1, minute=10)
    add_push(warehouse, "1", 1, "superseded", 11)
    add_push(warehouse, "2", 1, "unknown", 12)
    with warehouse.write() as connection:
        connection.execute(
            "insert into opt_in_drift select account, contact_id, identity_id, field_id,"
            " 'withdrawn', 'granted', $at, 'e2', 'run' from opt_in_deltas where contact_id = '2'",
            {"at": at(20)},
        )
    warehouse.publish_pending(at_once=True)
    return explain(warehouse, MOBILE).identity_id


def test_every_step_stands_in_order(warehouse: Warehouse, person: str) -> None:
    found = explain(warehouse, person)

    assert [(step.step, step.contact_id or step.event_id) for step in found.history] == [
        ("decision", "e1"),
        ("merge", None),
        ("decision", "e2"),
        ("delta", "1"),
        ("request", "1"),
        ("refusal", "1"),
        ("request", "1"),
        ("confirmation", "1"),
        ("delta", "1"),
        ("delta", "2"),
        ("request", "2"),
        ("supersession", "1"),
        ("silence", "2"),
        ("drift", "2"),
    ]
    moments = [step.happened_at for step in found.history]
    assert moments == sorted(moments)
    (merge,) = [step for step in found.history if step.step == "merge"]
    assert {merge.left_identity_id, merge.joined_identity_id} == {person, *found.retired_ids}
    assert found.history[5].words == "Emarsys refused granted for shop_de 1 (400 2007)"


def test_an_analyst_finds_the_same_in_the_view(warehouse: Warehouse, person: str) -> None:
    with warehouse.read_published(schema="main") as connection:
        in_view = connection.execute(IN_ORDER, {"id": person}).fetchall()

    found = explain(warehouse, person).history
    assert [tuple(getattr(s, field.name) for field in fields(Step)) for s in found] == in_view
    assert len(in_view) == 14
    # And nothing of it is lost: the view holds each row of the tables behind it.
    assert rows(
        warehouse,
        "select (select count(*) from consent_events) + (select count(*) from opt_in_deltas)"
        " + (select count(*) from opt_in_drift)"
        " + (select count(*) filter (outcome <> 'superseded') + count(*) from opt_in_pushes)",
    ) == [(13,)]


def test_the_commands_print_the_same_in_any_zone(
    warehouse: Warehouse,
    person: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(
        SETTINGS.format(
            home=warehouse.directory, url="http://127.0.0.1:9", auth="wsse", connection=WSSE
        )
    )
    monkeypatch.setenv("EMARSYS_PIPELINE_CONFIG", str(path))
    monkeypatch.setenv("COLUMNS", "200")
    run = make_run(capsys, monkeypatch)

    explained = run("explain", MOBILE, "--json").json["history"]
    asked = run("query", IN_ORDER.replace("$id", f"'{person}'"), "--json").json

    assert explained == asked
    assert "2026-03-01 00:00:00Z" in run("explain", MOBILE, "--utc").output
    assert (
        "2026-03-01 01:00:00+0100" in run("explain", MOBILE, "--time-zone", "Europe/Berlin").output
    )
    wrong = run("explain", MOBILE, "--time-zone", "Europe/Nowhere")
    assert (wrong.exit_code, "no time zone" in wrong.errors) == (2, True)
    assert run("explain", MOBILE, "--utc", "--local").exit_code == 2
