"""The queue: durable once, in order, whatever is sent twice or at once."""

import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from emarsys_pipeline.inbox import Delivery, Inbox, Message, PutResult, Rejected, parse_message
from emarsys_pipeline.inbox.keeping import RETRY_HORIZON

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def consent(event_id: str, **content: Any) -> Message:
    return parse_message(
        "consent",
        {
            "event_id": event_id,
            "phone": "+493023125000",
            "status": "granted",
            "occurred_at": "2026-03-01T11:59:00Z",
            **content,
        },
    )


def contact(first_name: str, **content: Any) -> Message:
    return parse_message(
        "contact", {"platform_contact_id": "p1", "first_name": first_name, **content}
    )


def automation(**content: Any) -> Message:
    return parse_message("automation", {"email": "mina@example.org", **content}, account="shop_de")


def test_consent_comes_back_as_it_was_put_with_its_types(inbox: Inbox) -> None:
    message = consent("e1", email="mina@example.org")
    assert inbox.put([message], source="command", received_at=START) == PutResult(1, 0)
    table = inbox.fetch("consent")
    time = pa.timestamp("us", tz="UTC")
    assert table.schema == pa.schema(
        [
            ("sequence", pa.int64()),
            ("message_id", pa.string()),
            ("received_at", time),
            ("source", pa.string()),
            ("evidence_hash", pa.string()),
            ("event_id", pa.string()),
            ("platform_contact_id", pa.string()),
            ("phone", pa.string()),
            ("email", pa.string()),
            ("channel", pa.string()),
            ("status", pa.string()),
            ("occurred_at", time),
        ]
    )
    (row,) = table.to_pylist()
    assert len(row.pop("evidence_hash")) == 64
    assert row == {
        "sequence": 1,
        "message_id": "e1",
        "received_at": START,
        "source": "command",
        "event_id": "e1",
        "platform_contact_id": None,
        "phone": "+493023125000",
        "email": "mina@example.org",
        "channel": "whatsapp",
        "status": "granted",
        "occurred_at": START - MINUTE,
    }


def test_contacts_and_automations_come_back_with_their_columns(inbox: Inbox) -> None:
    messages = [
        contact("Mina", updated_at="2026-03-01T11:00:00Z", is_deleted=True),
        contact("Mina", email="mina@example.org"),
        automation(deduplication_id="d1"),
    ]
    inbox.put(messages, source="webhook", received_at=START)
    shared = {"message_id", "source", "evidence_hash"}
    assert inbox.fetch("contact").drop_columns(list(shared)).to_pylist() == [
        {
            "sequence": 1,
            "received_at": START,
            "platform_contact_id": "p1",
            "first_name": "Mina",
            "last_name": None,
            "phone": None,
            "email": None,
            "updated_at": START - 60 * MINUTE,
            "is_deleted": True,
        },
        {
            "sequence": 2,
            "received_at": START,
            "platform_contact_id": "p1",
            "first_name": "Mina",
            "last_name": None,
            "phone": None,
            "email": "mina@example.org",
            # Without a time of change it is as new as its message.
            "updated_at": START,
            "is_deleted": False,
        },
    ]
    assert inbox.fetch("automation").drop_columns(list(shared)).to_pylist() == [
        {
            "sequence": 3,
            "received_at": START,
            "account": "shop_de",
            "body": '{"deduplication_id":"d1","email":"mina@example.org"}',
            "deduplication_id": "d1",
        }
    ]
    assert inbox.counts == {"consent": 0, "contact": 2, "automation": 1, "poison": 0}


def test_a_second_delivery_adds_no_row(inbox: Inbox) -> None:
    messages = [consent("e1"), consent("e2"), automation(event_time="2026-03-01T12:00:00Z")]
    assert inbox.put([*messages, messages[0]], source="a") == PutResult(3, 1)
    assert inbox.put(messages, source="b") == PutResult(0, 3)
    assert inbox.fetch("consent")["event_id"].to_pylist() == ["e1", "e2"]
    assert inbox.counts["poison"] == 0


def test_an_id_used_for_other_content_keeps_the_first_and_shows_the_other(inbox: Inbox) -> None:
    inbox.put([consent("e1")], source="webhook")
    other = consent("e1", status="withdrawn")
    assert inbox.put([other], source="webhook") == PutResult(0, 1, conflicts=1)
    assert inbox.fetch("consent")["status"].to_pylist() == ["granted"]
    (row,) = inbox.fetch_poison().to_pylist()
    assert row["body"].decode() == other.body
    assert row["reason"] == "the id was used before for another consent message"


def test_a_contact_without_id_or_time_may_return_to_an_earlier_state(inbox: Inbox) -> None:
    states = ["Mina", "Mina", "Minna", "Mina", "Mina"]
    results = [inbox.put([contact(state)], source="webhook") for state in states]
    assert [result.accepted for result in results] == [1, 0, 1, 1, 0]
    assert inbox.fetch("contact")["first_name"].to_pylist() == ["Mina", "Minna", "Mina"]


def test_an_equal_call_without_id_or_time_counts_again_after_all_retries(inbox: Inbox) -> None:
    moments = [START, START + RETRY_HORIZON - MINUTE, START + RETRY_HORIZON + MINUTE]
    results = [
        inbox.put([automation()], source="webhook", received_at=moment) for moment in moments
    ]
    assert [result.accepted for result in results] == [1, 0, 1]


def test_received_at_never_decreases_with_the_sequence(inbox: Inbox) -> None:
    for event_id, moment in (("e1", START), ("e2", START - MINUTE), ("e3", START + MINUTE)):
        inbox.put([consent(event_id)], source="a", received_at=moment)
    assert inbox.fetch("consent").select(["sequence", "received_at"]).to_pylist() == [
        {"sequence": 1, "received_at": START},
        {"sequence": 2, "received_at": START},
        {"sequence": 3, "received_at": START + MINUTE},
    ]


def test_fetch_takes_a_window_that_excludes_its_end(inbox: Inbox) -> None:
    for number in range(4):
        inbox.put([consent(f"e{number}")], source="a", received_at=START + number * MINUTE)
    table = inbox.fetch("consent", received_from=START + MINUTE, received_to=START + 3 * MINUTE)
    assert table["event_id"].to_pylist() == ["e1", "e2"]
    assert inbox.fetch("consent", after_sequence=2)["event_id"].to_pylist() == ["e2", "e3"]


def test_the_sensor_sees_the_newest_sequence_of_its_kinds(inbox: Inbox) -> None:
    assert inbox.last_sequence() == 0
    assert inbox.oldest_received_after(0) is None
    inbox.put([consent("e1")], source="a", received_at=START)
    inbox.put([contact("Mina")], source="a", received_at=START + MINUTE)
    inbox.put([automation()], source="a", received_at=START + 2 * MINUTE)
    assert inbox.last_sequence() == 2
    assert inbox.last_sequence(["automation"]) == 3
    assert inbox.oldest_received_after(0) == START
    assert inbox.oldest_received_after(1) == START + MINUTE
    assert inbox.oldest_received_after(2) is None


def test_an_unreadable_body_is_kept_once_and_counted(inbox: Inbox) -> None:
    for _ in range(3):
        inbox.poison(b"\xff{", reason="is no JSON in UTF-8", source="webhook")
    inbox.poison(b"\xff{", reason="is no JSON in UTF-8", source="file:a.jsonl")
    table = inbox.fetch_poison().select(["source", "body", "reason", "occurrences"])
    assert table.to_pylist() == [
        {
            "source": source,
            "body": b"\xff{",
            "reason": "is no JSON in UTF-8",
            "occurrences": occurrences,
        }
        for source, occurrences in (("webhook", 3), ("file:a.jsonl", 1))
    ]


def test_a_failing_delivery_leaves_nothing_of_its_group(inbox: Inbox) -> None:
    broken = Rejected(body=memoryview(b"x").cast("b"), reason=object())  # type: ignore[arg-type] # what neither can store
    with pytest.raises((sqlite3.Error, psycopg.Error)):
        inbox.put_deliveries([Delivery([consent("e1")], "a"), Delivery([], "a", [broken])])
    assert inbox.counts == {"consent": 0, "contact": 0, "automation": 0, "poison": 0}
    assert inbox.put([consent("e1")], source="a") == PutResult(1, 0)


def test_messages_survive_closing_and_are_seen_by_other_processes(inbox: Inbox) -> None:
    with Inbox(inbox.place) as other:
        inbox.put([consent("e1")], source="a")
        assert other.last_sequence() == 1
    inbox.close()
    with Inbox(inbox.place) as reopened:
        assert reopened.fetch("consent")["event_id"].to_pylist() == ["e1"]


def test_many_writers_lose_nothing_and_keep_the_order(inbox: Inbox) -> None:
    def write(writer: int) -> None:
        with Inbox(inbox.place) as own:
            for number in range(25):
                own.put([consent(f"{writer}-{number}"), consent(f"shared-{number}")], source="a")

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    # Who reads on from the last sequence seen, while they write, misses nothing either.
    followed: list[str] = []
    last = 0
    is_over = False
    while not is_over:
        is_over = not any(thread.is_alive() for thread in threads)
        new = inbox.fetch("consent", after_sequence=last)
        followed += new["event_id"].to_pylist()
        last = max([last, *new["sequence"].to_pylist()])
    table = inbox.fetch("consent")
    expected = {f"{writer}-{number}" for writer in range(4) for number in range(25)}
    expected |= {f"shared-{number}" for number in range(25)}
    assert sorted(table["event_id"].to_pylist()) == sorted(expected)
    assert followed == table["event_id"].to_pylist()
    times = table["received_at"].to_pylist()
    assert times == sorted(times)


def test_a_large_delivery_is_counted_message_by_message(inbox: Inbox) -> None:
    inbox.put([consent("e5"), consent("e450", status="denied")], source="a")
    messages = [consent(f"e{number}") for number in range(500)]
    again = [consent("e7"), consent("e8", status="denied"), contact("Mina"), contact("Mina")]
    assert inbox.put([*messages, *again], source="b") == PutResult(499, 5, conflicts=2)
    new = [f"e{number}" for number in range(500) if number not in {5, 450}]
    assert inbox.fetch("consent")["event_id"].to_pylist() == ["e5", "e450", *new]
    assert inbox.counts == {"consent": 500, "contact": 1, "automation": 0, "poison": 2}


def test_texts_are_taken_out_of_all_bodies(inbox: Inbox) -> None:
    messages = [consent("e1", email="MINA@example.org"), consent("e2", email="lena@example.org")]
    inbox.put(messages, source="a", received_at=START)
    for body in (b"\xff Mina@Example.org", b"{\\ 100% ?", "mina, Stra\u00dfe".encode()):
        inbox.poison(body, reason="is no JSON in UTF-8", source="a")
    texts = ["mina@example.org", "mina, stra\u00dfe"]
    # A file is searched as a file.
    held = {} if isinstance(inbox.place, Path) else {"messages": 2, "poison": 2}
    assert inbox.rows_holding(texts, ["e2"]) == held
    assert inbox.rows_holding(["nobody@example.org"], ["e"]) == {}
    assert inbox.redact(texts, lambda body: body.replace("MINA@example.org", "x")) == (1, 2)
    assert inbox.redact(texts, lambda body: body) == (0, 0)
    assert inbox.redact([], lambda body: body) == (0, 0)
    assert inbox.fetch_poison()["body"].to_pylist() == [b"{\\ 100% ?"]
    inbox.compact()
    assert inbox.delete_old_poison(START) == 0
    assert inbox.delete_old_poison(datetime.now(UTC) + MINUTE) == 1
    inbox.forget([1])
    assert inbox.fetch("consent")["event_id"].to_pylist() == ["e2"]
    inbox.put([consent("e3")], source="a")
    assert inbox.last_sequence() == 3


def test_a_commit_is_written_through_to_the_disk(inbox: Inbox) -> None:
    if isinstance(inbox.place, Path):
        assert inbox._store.query("pragma journal_mode") == [("wal",)]
        assert inbox._store.query("pragma synchronous") == [(2,)]
    else:
        assert inbox._store.query("show synchronous_commit") == [("on",)]
        assert inbox._store.query("show fsync") == [("on",)]
