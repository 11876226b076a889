"""Telling the messaging platform over HTTP: what is sent, what is not, and what becomes of it."""

import logging
from pathlib import Path
from typing import Any

import pytest

from emarsys_pipeline.clock import utc_now
from emarsys_pipeline.messaging import AccessRefusedError, MessagingClient, WrongAddressError
from emarsys_pipeline.sandbox.process import Sandbox
from emarsys_pipeline.stages.contact_upsert_pushes import (
    ContactUpsertsPushed,
    contact_upserts_due,
    revive_dead_letters,
)
from emarsys_pipeline.stages.contact_upsert_pushes.send import AllRefusedError
from emarsys_pipeline_tests.builders import add_platform_contact
from emarsys_pipeline_tests.stages.deciding import rows
from emarsys_pipeline_tests.stages.upserting import (
    PUT,
    QUICK,
    Crowd,
    add_person,
    phone_of,
    push_with,
    stitch,
)
from emarsys_pipeline_tests.warehouses import Warehouse

SIZE = 6


@pytest.fixture
def crowd(warehouse: Warehouse, sandbox: Sandbox, tmp_path: Path) -> Any:
    made = Crowd.make(warehouse, sandbox, SIZE, tmp_path)
    yield made
    made.client.close()
    sandbox.clear_faults()


def test_every_person_is_told_once_and_then_nothing_is_due(crowd: Crowd) -> None:
    assert crowd.push() == ContactUpsertsPushed(accepted=SIZE)
    crowd.assert_settled()
    crowd.assert_one_request_at_a_time()
    assert len(crowd.told()) == SIZE
    assert crowd.push() == ContactUpsertsPushed()
    assert len(crowd.told()) == SIZE


def test_the_body_has_the_published_shape(crowd: Crowd) -> None:
    phone, other = phone_of(f"{crowd.prefix}900"), phone_of(f"{crowd.prefix}901")
    with crowd.warehouse.write() as connection:
        add_person(
            connection,
            f"{crowd.prefix}900",
            number=1,
            phones=[phone, other],
            emails=[f"{crowd.prefix}@example.org"],
            first_name='Zoë "Z"',
            score=2.5,
            tags=["a", "b"],
        )
    stitch(crowd.warehouse, 1)
    crowd.push()
    reference = crowd.identity_of(f"{crowd.prefix}900")
    (applied,) = [
        row
        for row in crowd.sandbox.platform_upserts(crowd.log_start)
        if row["external_reference_id"] == reference
    ]
    assert applied["body"] == {
        "external_reference_id": reference,
        "source_type": "emarsys",
        "first_name": 'Zoë "Z"',
        "phone_numbers": [{"value": phone}, {"value": other}],
        "email_address": [{"value": f"{crowd.prefix}@example.org"}],
        "custom_properties": {"score": 2.5, "tags": ["a", "b"]},
    }


def test_only_the_newest_content_is_sent(crowd: Crowd) -> None:
    crowd.sandbox.set_fault("overloaded", PUT, times=None)
    crowd.push()
    crowd.sandbox.clear_faults()
    crowd.move("Linz")
    crowd.move("Wien", crowd.contact_ids[:2])
    crowd.minutes = 10
    done = crowd.push()
    assert (done.accepted, done.superseded) == (SIZE, SIZE)
    assert sorted(city for _, city in crowd.told() if city) == ["Linz"] * (SIZE - 2) + ["Wien"] * 2
    crowd.assert_settled()


# What the platform does, and what is recorded of the attempt: outcome (an unknown one is repeated
# in the end) and HTTP status.
PASSING = {
    "rate_limited": ("rejected", 429),
    "rate_limited_without_reset": ("rejected", 429),
    "overloaded": ("rejected", 503),
    "server_error": ("repeated", 500),
    "bad_gateway": ("repeated", 502),
    "reset_before_answer": ("repeated", None),
    "commit_then_drop": ("repeated", None),
    "reset_in_body": ("repeated", None),
    "html_answer": ("repeated", 200),
    "broken_json": ("repeated", 200),
}


def test_what_may_pass_is_sent_again_until_it_is_taken(crowd: Crowd) -> None:
    for fault in PASSING:
        crowd.sandbox.set_fault(fault, PUT, wait_seconds=3600)
    for _ in range(12):
        crowd.push(parallel_requests=1, settle_after_seconds=60)
        crowd.minutes += 61
    assert {rule["met"] for rule in crowd.sandbox.faults()} == {1}
    attempts = [(outcome, status) for _, _, outcome, _, status in crowd.attempts()]
    failed = [each for each in attempts if each[0] in ("rejected", "repeated")]
    assert sorted(failed, key=str) == sorted(PASSING.values(), key=str)
    crowd.assert_settled()
    crowd.assert_one_request_at_a_time()


def test_a_refusal_that_may_pass_is_not_sent_again_before_its_time(crowd: Crowd) -> None:
    crowd.sandbox.set_fault("rate_limited", PUT, wait_seconds=3600)
    crowd.push(parallel_requests=1)
    crowd.push(parallel_requests=1)
    assert crowd.outcomes() == {"rejected": 1, "accepted": SIZE - 1}
    crowd.minutes = 61
    assert crowd.push().accepted == 1


def test_a_request_that_times_out_after_it_was_applied_is_settled_by_repetition(
    crowd: Crowd,
) -> None:
    crowd.client = MessagingClient(
        crowd.sandbox.platform_url, crowd.sandbox.platform_key, timeout_seconds=0.5
    )
    crowd.sandbox.set_fault("slow_answer", PUT, wait_seconds=2)
    assert crowd.push(settle_after_seconds=60).unknown == 1
    crowd.move("Linz")
    crowd.push(settle_after_seconds=60)
    assert crowd.outcomes() == {"unknown": 1, "pending": 1, "accepted": 2 * SIZE - 2}
    crowd.minutes = 2
    crowd.push(settle_after_seconds=60)
    crowd.assert_settled()


def test_an_outage_stops_the_drain_and_makes_nobody_a_dead_letter(crowd: Crowd) -> None:
    crowd.sandbox.set_fault("server_error", PUT, times=None)
    done = crowd.push(batch_size=100, parallel_requests=1, settle_after_seconds=60)
    assert (done.unknown, done.unsent) == (5, SIZE - 5)
    crowd.minutes = 600
    for _ in range(3):
        crowd.push(parallel_requests=1)
        crowd.minutes += 600
    crowd.sandbox.clear_faults()
    crowd.push()
    crowd.assert_settled()


def test_waits_grow_while_the_platform_fails(crowd: Crowd) -> None:
    crowd.sandbox.set_fault("server_error", PUT, times=None)
    waits = []
    for _ in range(3):
        crowd.push(batch_size=1, parallel_requests=1)
        ((wait,),) = rows(
            crowd.warehouse,
            "select max(round(epoch(retry_at - intended_at))) from contact_upsert_pushes"
            " where outcome = 'unknown'",
        )
        waits.append(wait)
        crowd.minutes += 60
    assert [round(wait / 20) for wait in waits] == [1, 2, 4]


def test_a_refusal_for_good_is_a_dead_letter_until_the_person_changes_or_it_is_revived(
    crowd: Crowd,
) -> None:
    city = "Graz"
    text = f"custom property city: {city} of {phone_of(crowd.contact_ids[0])} is unknown"
    crowd.sandbox.set_fault("refused", PUT, times=2, http_status=422, reply_text=text)
    assert crowd.push(parallel_requests=1).rejected == 2
    dead = rows(
        crowd.warehouse,
        "select http_status, reply_text, is_retryable, remedy is not null"
        " from contact_upsert_deliveries where outcome = 'rejected'",
    )
    masked = '{"error": "custom property city: <value> of <number> is unknown"}'
    assert set(dead) <= {
        (422, masked, False, True),
        (422, masked.replace("<number>", "<value>"), False, True),
    }
    crowd.minutes = 100
    assert crowd.push() == ContactUpsertsPushed()
    changed, revived = rows(
        crowd.warehouse,
        "select contact_id from contact_upsert_deliveries join identity_members using (identity_id)"
        " where outcome = 'rejected' order by contact_id",
    )
    crowd.move("Linz", list(changed))
    assert crowd.push().accepted == 1
    assert revive_dead_letters(crowd.warehouse, utc_now()) == 1
    assert crowd.push() == ContactUpsertsPushed(accepted=1)
    assert crowd.identity_of(revived[0]) in {reference for reference, _ in crowd.told()}
    assert revive_dead_letters(crowd.warehouse, utc_now()) == 0


def test_persons_who_are_all_refused_alike_are_not_to_blame(
    warehouse: Warehouse, sandbox: Sandbox, tmp_path: Path
) -> None:
    crowd = Crowd.make(warehouse, sandbox, 12, tmp_path)
    sandbox.set_fault("refused", PUT, times=None, reply_text="custom property city is unknown")
    with pytest.raises(AllRefusedError, match=r"for all 12 contacts.*city is unknown.*Check"):
        crowd.push(batch_size=100)
    assert crowd.outcomes() == {"unsent": 12}
    sandbox.clear_faults()
    crowd.minutes = 1
    assert crowd.push().accepted == 12
    crowd.assert_settled()


@pytest.mark.parametrize("fault", ["unauthorized", "forbidden"])
def test_a_refused_key_stops_with_the_remedy_and_loses_nothing(crowd: Crowd, fault: str) -> None:
    crowd.sandbox.set_fault(fault, PUT, times=None)
    with pytest.raises(AccessRefusedError, match=r"messaging\.http\.secret"):
        crowd.push()
    crowd.sandbox.clear_faults()
    crowd.minutes = 10
    crowd.push()
    crowd.assert_settled()


def test_a_wrong_address_stops_and_an_unreachable_one_waits(crowd: Crowd) -> None:
    wrong = MessagingClient(f"{crowd.sandbox.url}/nowhere", "key")
    with pytest.raises(WrongAddressError, match=r"messaging\.http\.url"):
        push_with(crowd.warehouse, wrong)
    crowd.minutes = 10
    crowd.client = MessagingClient("http://127.0.0.1:9/contacts", "key")
    done = crowd.push()
    assert done.accepted == done.unknown == done.rejected == 0
    assert done.retrying >= 1
    crowd.minutes = 20
    crowd.client = MessagingClient(crowd.sandbox.platform_url, crowd.sandbox.platform_key)
    crowd.push()
    crowd.assert_settled()


def test_a_short_pause_that_the_platform_asks_for_is_made_within_the_drain(crowd: Crowd) -> None:
    pauses: list[float] = []
    crowd.sandbox.set_fault("rate_limited", PUT, after=2, wait_seconds=7)
    http = QUICK.model_copy(update={"parallel_requests": 1})
    done = push_with(crowd.warehouse, crowd.client, http, sleep=pauses.append)
    assert pauses == [7]
    assert (done.accepted, done.retrying) == (SIZE - 1, 1)


def test_what_only_the_messaging_side_knows_is_not_sent_to_it(crowd: Crowd) -> None:
    with crowd.warehouse.write() as connection:
        add_platform_contact(connection, "p1", number=1, phone=phone_of(f"{crowd.prefix}990"))
    stitch(crowd.warehouse, 1)
    assert crowd.push().accepted == SIZE
    assert crowd.outcomes() == {"accepted": SIZE, "not needed": 1}


def test_a_merge_reaches_the_platform(crowd: Crowd) -> None:
    crowd.push()
    first, second = crowd.contact_ids[:2]
    gone = crowd.identity_of(second)
    with crowd.warehouse.write() as connection:
        add_person(
            connection, second, number=1, phones=[phone_of(first), phone_of(second)], city="Graz"
        )
    stitch(crowd.warehouse, 1)
    living = {crowd.identity_of(first), crowd.identity_of(second)} - {gone}
    crowd.push()
    ((retired, into),) = rows(
        crowd.warehouse,
        "select identity_id, merged_into from contact_upserts where operation = 'retired'",
    )
    profile = crowd.sandbox.platform_profiles()[retired]
    assert profile["custom_properties"] == {"merged_into": into}
    assert (profile["phone_numbers"], profile["email_addresses"]) == ([], [])
    assert into in living | {gone}
    assert len(rows(crowd.warehouse, "from identities")) == SIZE - 1
    crowd.assert_settled()


def test_the_outbox_says_when_something_is_due(crowd: Crowd) -> None:
    def is_due() -> bool:
        crowd.warehouse.publish_pending(at_once=True)
        return contact_upserts_due(crowd.warehouse, utc_now(), settle_after_seconds=60)

    assert not is_due()
    crowd.sandbox.set_fault("overloaded", PUT)
    crowd.push(parallel_requests=1, retry_base_seconds=3600)
    assert crowd.outcomes()["rejected"] == 1
    crowd.push(parallel_requests=1, retry_base_seconds=3600)
    assert not is_due()
    crowd.move("Linz", crowd.contact_ids[:1])
    crowd.warehouse.publish_pending(at_once=True)
    assert not is_due()


def test_no_log_line_and_no_row_holds_the_key_or_a_value(
    crowd: Crowd, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    phone = phone_of(crowd.contact_ids[0])
    crowd.sandbox.set_fault("refused", PUT, times=1, reply_text=f"{phone} is no number of Graz")
    crowd.push(parallel_requests=1)
    shown = f"{caplog.text} {rows(crowd.warehouse, 'from contact_upsert_pushes')} {crowd.client!r}"
    assert "contact upsert" in shown
    for secret in (crowd.sandbox.platform_key, phone, phone[1:], "Graz"):
        assert secret not in shown
