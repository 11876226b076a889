"""The outbox: every decision reaches Emarsys, the latest wins, and each outcome is kept."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from emarsys_pipeline.clock import utc_now
from emarsys_pipeline.emarsys import EmarsysClient
from emarsys_pipeline.emarsys.contacts import write_batches
from emarsys_pipeline.emarsys.errors import (
    AuthenticationError,
    PermissionMissingError,
    RejectedRequestError,
)
from emarsys_pipeline.emarsys.records import ContactsUpdated
from emarsys_pipeline.sandbox.process import Sandbox
from emarsys_pipeline.settings.accounts import MAX_VALUE_LENGTH, OptInSettings
from emarsys_pipeline.stages.consent_events import ingest_consent_events
from emarsys_pipeline.stages.opt_in_deltas import OptInFieldError
from emarsys_pipeline.stages.opt_in_pushes import OptInPushed, count_dead_letters, outbox_due
from emarsys_pipeline_tests.builders import GRID
from emarsys_pipeline_tests.stages.deciding import ACCOUNT, derive, rows
from emarsys_pipeline_tests.stages.pushing import GRANTED, WITHDRAWN, Outbox
from emarsys_pipeline_tests.warehouses import Warehouse

PUT = "PUT contact"
SIZE = 6


@pytest.fixture
def outbox(
    warehouse: Warehouse, sandbox: Sandbox, client: EmarsysClient, tmp_path: Path
) -> Iterator[Outbox]:
    yield Outbox.make(warehouse, sandbox, client, tmp_path, SIZE)
    sandbox.set_permissions(on=["contact.update", "contact.getdata"])


def is_due(outbox: Outbox, *, after_seconds: float = 0) -> bool:
    outbox.warehouse.publish_pending(at_once=True)
    moment = utc_now() + timedelta(seconds=after_seconds)
    return outbox_due(outbox.warehouse, moment, settle_after_seconds=60)


def test_decisions_arrive_in_batches_of_the_size_set(outbox: Outbox) -> None:
    outbox.decide(GRANTED)
    outbox.decide(WITHDRAWN, outbox.contact_ids[:1])
    before = outbox.client.calls
    assert outbox.push(batch_size=4) == OptInPushed(accepted=SIZE, requests=2)
    assert outbox.client.calls - before == 2
    outbox.assert_settled()
    sizes = rows(outbox.warehouse, "select count(*) from opt_in_pushes group by batch_id")
    assert sorted(size for (size,) in sizes) == [2, 4]
    assert sorted(outbox.attempts()) == sorted(
        (each, outbox.latest[each], 1, "accepted", False, 200, "0") for each in outbox.contact_ids
    )


def test_a_full_batch_of_the_longest_values_stays_below_the_limit_of_a_request() -> None:
    """Emarsys takes 1000 contacts and 8 MB; whatever letters the settings' values have."""
    longest = {"granted": "\U0001f600" * MAX_VALUE_LENGTH, "withdrawn": '"' * MAX_VALUE_LENGTH}
    OptInSettings.model_validate({"field": "10500", **longest})
    with pytest.raises(ValueError, match="at most"):
        OptInSettings.model_validate({"field": "10500", "granted": "x" * (MAX_VALUE_LENGTH + 1)})
    for value in longest.values():
        contacts = [{"id": str(10**12 + each), "10500": value} for each in range(1000)]
        assert [len(batch) for batch in write_batches(contacts)] == [1000]


def test_a_second_run_sends_nothing(outbox: Outbox) -> None:
    outbox.decide(GRANTED)
    outbox.push()
    before = outbox.attempts()
    assert outbox.push() == OptInPushed()
    assert outbox.attempts() == before
    assert len(outbox.writes()) == SIZE


def test_an_outbox_with_something_to_send_is_due(outbox: Outbox) -> None:
    assert not is_due(outbox)
    outbox.decide(GRANTED)
    window = GRID.at(utc_now())
    ingest_consent_events(outbox.warehouse, outbox.inbox, window, default_region="DE")
    derive(outbox.warehouse)
    assert is_due(outbox)
    outbox.push()
    assert not is_due(outbox)


def test_a_newer_decision_supersedes_a_value_that_was_not_sent(outbox: Outbox) -> None:
    outbox.decide(GRANTED)
    outbox.sandbox.set_fault("forbidden", PUT)
    with pytest.raises(PermissionMissingError):
        outbox.push()
    outbox.decide(WITHDRAWN, outbox.contact_ids[:2])
    outbox.minutes = 1
    assert outbox.push() == OptInPushed(accepted=SIZE, superseded=2, requests=1)
    outbox.assert_settled()
    refused, written = outbox.contact_ids[:2], outbox.contact_ids[2:]
    facts = ("rejected", True, 403, "1")
    assert outbox.attempts() == [
        *((each, GRANTED, 1, *facts) for each in outbox.contact_ids),
        *sorted(
            [
                *((each, GRANTED, 1, "superseded", False, None, None) for each in refused),
                *((each, WITHDRAWN, 1, "accepted", False, 200, "0") for each in refused),
                *((each, GRANTED, 2, "accepted", False, 200, "0") for each in written),
            ]
        ),
    ]
    assert outbox.push() == OptInPushed()


def test_an_applied_request_without_answer_is_read_back_as_accepted(outbox: Outbox) -> None:
    outbox.decide(GRANTED)
    outbox.sandbox.set_fault("commit_then_drop", PUT)
    assert outbox.push() == OptInPushed(unknown=SIZE, requests=1)
    assert {row[3:] for row in outbox.attempts()} == {("unknown", True, None, None)}
    assert outbox.push() == OptInPushed(accepted=SIZE)
    assert {row[3:5] for row in outbox.attempts()} == {("accepted", False)}
    assert len(outbox.writes()) == SIZE
    outbox.assert_settled()


def test_a_request_that_was_never_applied_is_sent_again(outbox: Outbox) -> None:
    outbox.decide(GRANTED)
    outbox.sandbox.set_fault("reset_before_answer", PUT)
    assert outbox.push() == OptInPushed(unknown=SIZE, requests=1)
    assert outbox.push() == OptInPushed(accepted=SIZE, retrying=SIZE, requests=1)
    assert [row[2:5] for row in outbox.attempts()] == [
        *[(1, "rejected", True)] * SIZE,
        *[(2, "accepted", False)] * SIZE,
    ]
    outbox.assert_settled()


def test_a_contact_in_a_request_without_answer_is_left_alone_until_it_is_old(
    outbox: Outbox,
) -> None:
    outbox.decide(GRANTED, outbox.contact_ids[:3])
    outbox.sandbox.set_fault("reset_before_answer", PUT)
    outbox.push(settle_after_seconds=60)
    outbox.decide(WITHDRAWN)
    assert not is_due(outbox, after_seconds=-1)
    assert outbox.push(settle_after_seconds=60) == OptInPushed(accepted=SIZE - 3, requests=1)
    assert {each for each, _ in outbox.writes()} == set(outbox.contact_ids[3:])
    assert is_due(outbox, after_seconds=61)
    outbox.minutes = 1.1
    assert outbox.push(settle_after_seconds=60) == OptInPushed(
        accepted=3, retrying=3, superseded=3, requests=1
    )
    outbox.assert_settled()


def test_the_wait_counts_from_when_no_answer_came(outbox: Outbox) -> None:
    """A request may hang as long as the wait itself, and be applied after that."""
    outbox.decide(GRANTED)
    outbox.sandbox.set_fault("reset_before_answer", PUT)
    outbox.push(settle_after_seconds=60)
    with outbox.warehouse.write() as connection:
        connection.execute("update opt_in_pushes set intended_at = intended_at - interval 1 hour")
    assert outbox.push(settle_after_seconds=60) == OptInPushed()


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ("rate_limited", "retrying"),
        ("server_error", "unknown"),
        ("bad_gateway", "unknown"),
        ("overloaded", "retrying"),
        ("html_answer", "unknown"),
        ("broken_json", "unknown"),
    ],
)
def test_a_request_that_failed_as_a_whole_is_completed_by_the_next_run(
    outbox: Outbox, fault: str, outcome: str
) -> None:
    outbox.decide(GRANTED)
    outbox.sandbox.set_fault(fault, PUT, times=None, wait_seconds=3)
    done = outbox.push(batch_size=4)
    assert done == OptInPushed(requests=1, **{outcome: 4})
    outbox.sandbox.clear_faults()
    outbox.minutes = 1
    again = outbox.push()
    assert (again.accepted, again.requests) == (SIZE, 1)
    outbox.assert_settled()


def test_a_permanent_refusal_of_a_contact_is_a_dead_letter(outbox: Outbox) -> None:
    outbox.decide(GRANTED)
    outbox.sandbox.set_fault("permanent_partial_errors", PUT, count=2)
    assert outbox.push() == OptInPushed(accepted=SIZE - 2, rejected=2, requests=1)
    outbox.minutes = 600
    assert outbox.push() == OptInPushed()
    dead = rows(
        outbox.warehouse,
        "select outcome, is_retryable, attempts, http_status, reply_code, reply_text <> '', remedy"
        " from opt_in_deliveries where outcome <> 'accepted'",
    )
    remedy = "Emarsys refuses the value: opt_in.field must be a text field."
    assert dead == [("rejected", False, 1, 200, "2007", True, remedy)] * 2
    outbox.warehouse.publish_pending(at_once=True)
    assert count_dead_letters(outbox.warehouse) == 2
    outbox.decide(WITHDRAWN)
    assert outbox.push() == OptInPushed(accepted=SIZE, requests=1)
    assert set(outbox.held().values()) == {WITHDRAWN}


def test_a_passing_refusal_is_tried_again_until_it_has_been_too_often(outbox: Outbox) -> None:
    outbox.decide(GRANTED)
    outbox.sandbox.set_fault("transient_partial_errors", PUT, count=1, times=2)
    assert outbox.push() == OptInPushed(accepted=SIZE - 1, retrying=1, requests=1)
    outbox.minutes = 1
    assert outbox.push(max_attempts=2) == OptInPushed(rejected=1, requests=1)
    assert [row[2:5] for row in outbox.attempts() if row[3] == "rejected"] == [
        (1, "rejected", True),
        (2, "rejected", False),
    ]


def test_outages_do_not_use_up_the_attempts_of_a_contact(outbox: Outbox) -> None:
    outbox.decide(GRANTED)
    for minute in range(3):
        outbox.minutes = 10 * minute
        outbox.sandbox.set_fault("overloaded", PUT, times=None)
        assert outbox.push().retrying == SIZE
        outbox.sandbox.clear_faults()
    outbox.minutes = 60
    outbox.sandbox.set_fault("transient_partial_errors", PUT, count=1)
    assert outbox.push(max_attempts=2) == OptInPushed(accepted=SIZE - 1, retrying=1, requests=1)
    outbox.minutes = 90
    assert outbox.push(max_attempts=2) == OptInPushed(accepted=1, requests=1)
    outbox.assert_settled()


def test_waits_grow_and_end_at_an_hour(outbox: Outbox) -> None:
    outbox.decide(GRANTED, outbox.contact_ids[:1])
    for attempt in range(1, 6):
        outbox.minutes = 61 * attempt
        outbox.sandbox.set_fault("overloaded", PUT, times=None)
        outbox.push(retry_base_seconds=300)
        outbox.sandbox.clear_faults()
    waits = rows(
        outbox.warehouse,
        "select round(epoch(retry_at - settled_at) / 60)::integer from opt_in_pushes"
        " order by attempt",
    )
    assert [wait for (wait,) in waits] == [5, 10, 20, 40, 60]


def test_without_permission_everything_stays_due(outbox: Outbox) -> None:
    outbox.decide(GRANTED)
    outbox.sandbox.set_permissions(off=["contact.update"])
    for minute in range(3):
        outbox.minutes = minute * 10
        with pytest.raises(PermissionMissingError):
            outbox.push(batch_size=4)
    assert is_due(outbox)
    outbox.sandbox.set_permissions(on=["contact.update"])
    outbox.minutes = 60
    assert outbox.push() == OptInPushed(accepted=SIZE, requests=1)
    outbox.assert_settled()


def test_refused_credentials_leave_everything_due(outbox: Outbox) -> None:
    outbox.decide(GRANTED)
    outbox.sandbox.set_fault("unauthorized", PUT)
    with pytest.raises(AuthenticationError):
        outbox.push()
    outbox.minutes = 1
    assert outbox.push() == OptInPushed(accepted=SIZE, requests=1)
    outbox.assert_settled()


def test_without_permission_to_read_back_the_others_are_sent(outbox: Outbox) -> None:
    outbox.decide(GRANTED, outbox.contact_ids[:2])
    outbox.sandbox.set_fault("commit_then_drop", PUT)
    outbox.push()
    outbox.decide(GRANTED)
    outbox.sandbox.set_permissions(off=["contact.getdata"])
    with pytest.raises(PermissionMissingError):
        outbox.push()
    assert {each for each, _ in outbox.writes()} == set(outbox.contact_ids)
    outbox.sandbox.set_permissions(on=["contact.getdata"])
    assert outbox.push() == OptInPushed(accepted=2)
    outbox.assert_settled()


def test_a_refused_request_is_not_repeated(outbox: Outbox) -> None:
    outbox.decide(GRANTED)
    outbox.sandbox.set_fault("refused", PUT, http_status=400, reply_code=10001)
    with pytest.raises(RejectedRequestError):
        outbox.push()
    outbox.minutes = 600
    assert outbox.push() == OptInPushed()
    assert {row[2:] for row in outbox.attempts()} == {(1, "rejected", False, 400, "10001")}


def test_a_contact_that_the_answer_does_not_name_is_read_back(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox.decide(GRANTED)
    update, silent = outbox.client.update_contacts, outbox.contact_ids[0]

    def leave_one_out(*args: Any, **more: Any) -> ContactsUpdated:
        answer = update(*args, **more)
        named = tuple(each for each in answer.updated if each != silent)
        return ContactsUpdated(
            updated=named,
            errors=answer.errors,
            http_status=answer.http_status,
            reply_code=answer.reply_code,
        )

    monkeypatch.setattr(outbox.client, "update_contacts", leave_one_out)
    assert outbox.push() == OptInPushed(accepted=SIZE - 1, unknown=1, requests=1)
    assert outbox.push() == OptInPushed(accepted=1)
    outbox.assert_settled()


def test_a_contact_that_is_gone_is_reported_and_not_repeated(outbox: Outbox) -> None:
    outbox.decide(GRANTED, outbox.contact_ids[:1])
    with outbox.warehouse.write() as connection:
        connection.execute(
            "update current_contacts set contact_id = '999' where contact_id = $id",
            {"id": outbox.contact_ids[0]},
        )
        connection.execute(
            "update identity_members set contact_id = '999' where contact_id = $id",
            {"id": outbox.contact_ids[0]},
        )
    assert outbox.push() == OptInPushed(rejected=1, requests=1)
    assert [row[:2] + row[3:] for row in outbox.attempts()] == [
        ("999", GRANTED, "rejected", False, 200, "2008")
    ]


def test_a_decision_that_arrives_while_draining_is_in_the_next_request(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox.decide(GRANTED)
    update = outbox.client.update_contacts
    sent: list[int] = []

    def withdraw_meanwhile(contacts: Any, **more: Any) -> ContactsUpdated:
        sent.append(len(contacts))
        answer = update(contacts, **more)
        if len(sent) == 1:
            outbox.decide(WITHDRAWN)
        return answer

    monkeypatch.setattr(outbox.client, "update_contacts", withdraw_meanwhile)
    assert outbox.push(batch_size=3) == OptInPushed(accepted=9, superseded=3, requests=3)
    assert len([value for _, value in outbox.writes() if value == GRANTED]) == 3
    outbox.assert_settled()


def test_what_another_run_took_in_is_pushed_by_this_one(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger then holds decisions that no delta carries yet."""
    outbox.decide(GRANTED)
    update = outbox.client.update_contacts
    sent: list[int] = []

    def ingest_meanwhile(contacts: Any, **more: Any) -> ContactsUpdated:
        sent.append(len(contacts))
        if len(sent) == 1:
            outbox.decide(WITHDRAWN)
            window = GRID.at(utc_now())
            ingest_consent_events(outbox.warehouse, outbox.inbox, window, default_region="DE")
        return update(contacts, **more)

    monkeypatch.setattr(outbox.client, "update_contacts", ingest_meanwhile)
    assert outbox.push(batch_size=3) == OptInPushed(accepted=9, superseded=3, requests=3)
    outbox.assert_settled()


def test_decisions_of_a_window_whose_run_failed_are_taken_in(outbox: Outbox) -> None:
    """A later window may have been taken in before it."""
    now = utc_now()
    earlier, current = GRID.at(now - GRID.length), GRID.at(now)
    outbox.decide_at(WITHDRAWN, outbox.contact_ids[:1], earlier.start)
    outbox.decide_at(GRANTED, outbox.contact_ids[1:2], current.start)
    ingest_consent_events(outbox.warehouse, outbox.inbox, current, default_region="DE")
    assert outbox.push() == OptInPushed(accepted=2, requests=1)
    outbox.assert_settled()


def test_an_account_whose_field_is_gone_is_sent_nothing(outbox: Outbox) -> None:
    outbox.decide(GRANTED)
    with outbox.warehouse.write() as connection:
        connection.execute("update emarsys_fields set field_id = '1', string_id = '', name = ''")
    with pytest.raises(OptInFieldError, match=ACCOUNT.name):
        outbox.push()
    assert outbox.writes() == []
    assert rows(outbox.warehouse, "from consent_events") == []
