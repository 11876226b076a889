"""Values refused for good: what is told of them, how they are sent again, and missing contacts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emarsys_pipeline.emarsys import EmarsysClient
from emarsys_pipeline.sandbox.process import Sandbox, running_sandbox
from emarsys_pipeline.stages.opt_in_pushes import (
    NoSuchDeadLetterError,
    OptInPushed,
    dead_letters,
    push_account,
    replay_dead_letters,
)
from emarsys_pipeline.warehouse.columns import ensure_property_columns
from emarsys_pipeline_tests.builders import add_contact
from emarsys_pipeline_tests.stages.deciding import FIELD, add_field, make_account, rows, stitch
from emarsys_pipeline_tests.stages.pushing import (
    GRANTED,
    QUICK,
    WITHDRAWN,
    Outbox,
    phone_of,
    refresh_from,
)
from emarsys_pipeline_tests.warehouses import Warehouse

PUT = "PUT contact"
SIZE = 4
CREATING = make_account(create_missing_contacts=True)


@pytest.fixture(scope="module")
def sandbox(engine: str) -> Iterator[Sandbox]:  # noqa: ARG001
    """One for each engine: contacts that a test makes stay."""
    with running_sandbox(contacts=120, seed=3) as running:
        yield running


@pytest.fixture
def outbox(
    warehouse: Warehouse, sandbox: Sandbox, client: EmarsysClient, tmp_path: Path
) -> Iterator[Outbox]:
    """Some contacts with addresses; the last two are then deleted in Emarsys."""
    made = Outbox.make(warehouse, sandbox, client, tmp_path, SIZE)
    add_field(warehouse, "3", name="Email", string_id="email", application_type="longtext")
    add_field(warehouse, "37", name="Mobile", string_id="mobile")
    with warehouse.write() as connection:
        ensure_property_columns(connection, {"email": "varchar", "mobile": "varchar"})
        for each in made.contact_ids:
            add_contact(
                connection,
                each,
                number=1,
                phones=[phone_of(each)],
                emails=[f"lost{each}@example.org"],
                properties={"email": f"Lost{each}@example.org"},
            )
    stitch(warehouse, 1)
    yield made
    sandbox.clear_faults()


def letters_of(outbox: Outbox) -> list[tuple[Any, ...]]:
    with outbox.warehouse.read() as connection:
        return [
            (each.contact_id, each.value, each.http_status, each.reply_code, bool(each.remedy))
            for each in dead_letters(connection)
        ]


def push_creating(outbox: Outbox) -> OptInPushed:
    return push_account(
        outbox.warehouse,
        outbox.client,
        CREATING,
        pushes=QUICK,
        run_id="run",
        refresh=refresh_from(outbox.inbox),
    )


def forget(outbox: Outbox, contact_id: str) -> str:
    """Let us know the contact by an id that Emarsys does not have, as if it had been deleted."""
    gone = f"9{contact_id}"
    with outbox.warehouse.write() as connection:
        for table in ("current_contacts", "identity_members", "mapped_contacts"):
            connection.execute(
                f"update {table} set contact_id = $gone where contact_id = $id",  # noqa: S608
                {"gone": gone, "id": contact_id},
            )
    return gone


def holders(outbox: Outbox, address: str) -> list[tuple[str, Any]]:
    """Contacts of the sandbox with this address: id and opt-in value."""
    addresses, values = outbox.sandbox.field_values("3"), outbox.sandbox.field_values(FIELD)
    return [
        (each, values[each]) for each, held in addresses.items() if (held or "").lower() == address
    ]


def test_a_dead_letter_is_told_with_its_reply_and_what_to_do(outbox: Outbox) -> None:
    outbox.decide(GRANTED)
    outbox.sandbox.set_fault("permanent_partial_errors", PUT, count=1)
    outbox.push()
    with outbox.warehouse.read() as connection:
        (letter,) = dead_letters(connection)
    assert (letter.account, letter.contact_id) == ("shop_de", outbox.contact_ids[0])
    assert (letter.http_status, letter.reply_code, letter.attempts) == (200, "2007", 1)
    assert letter.reply_text == "Invalid choice id"
    assert letter.remedy == "Emarsys refuses the value: opt_in.field must be a text field."


def test_a_replayed_dead_letter_is_sent_once(outbox: Outbox) -> None:
    outbox.decide(GRANTED)
    outbox.sandbox.set_fault("permanent_partial_errors", PUT, count=2)
    outbox.push()
    refused = outbox.attempts()
    assert replay_dead_letters(outbox.warehouse, None) == 2
    assert replay_dead_letters(outbox.warehouse, None) == 0
    assert letters_of(outbox) == []
    assert outbox.push() == OptInPushed(accepted=2, requests=1)
    outbox.assert_settled()
    assert set(refused) <= set(outbox.attempts())
    assert outbox.push() == OptInPushed()


def test_a_replay_that_is_refused_again_is_a_dead_letter_again(outbox: Outbox) -> None:
    outbox.decide(GRANTED, outbox.contact_ids[:1])
    outbox.sandbox.set_fault("permanent_partial_errors", PUT, times=None, count=1)
    outbox.push()
    (letter,) = rows(outbox.warehouse, "select delta_id from opt_in_deliveries")
    for attempts in (2, 3):
        assert replay_dead_letters(outbox.warehouse, letter) == 1
        assert outbox.push() == OptInPushed(rejected=1, requests=1)
        assert rows(outbox.warehouse, "select attempts from opt_in_deliveries") == [(attempts,)]
    assert len(letters_of(outbox)) == 1
    outbox.sandbox.clear_faults()
    replay_dead_letters(outbox.warehouse, None)
    assert outbox.push() == OptInPushed(accepted=1, requests=1)


def test_a_replay_begins_with_all_attempts_again(outbox: Outbox) -> None:
    outbox.decide(GRANTED, outbox.contact_ids[:1])
    outbox.sandbox.set_fault("transient_partial_errors", PUT, times=2, count=1)
    assert outbox.push(max_attempts=1) == OptInPushed(rejected=1, requests=1)
    replay_dead_letters(outbox.warehouse, None)
    assert outbox.push(max_attempts=2) == OptInPushed(retrying=1, requests=1)
    outbox.minutes = 10
    assert outbox.push(max_attempts=2) == OptInPushed(accepted=1, requests=1)


def test_what_is_no_dead_letter_is_not_replayed(outbox: Outbox) -> None:
    outbox.decide(GRANTED, outbox.contact_ids[:2])
    outbox.sandbox.set_fault("permanent_partial_errors", PUT, count=1)
    outbox.push()
    deltas = dict(rows(outbox.warehouse, "select contact_id, delta_id from opt_in_deliveries"))
    refused, accepted = (deltas[each] for each in outbox.contact_ids[:2])
    with pytest.raises(NoSuchDeadLetterError, match="it was accepted"):
        replay_dead_letters(outbox.warehouse, [refused, accepted])
    with pytest.raises(NoSuchDeadLetterError, match="there is no delta"):
        replay_dead_letters(outbox.warehouse, ["nothing"])
    outbox.decide(WITHDRAWN, outbox.contact_ids[:1])
    outbox.push()
    with pytest.raises(NoSuchDeadLetterError, match="replaced by a newer one"):
        replay_dead_letters(outbox.warehouse, [refused])
    assert rows(outbox.warehouse, "select count(*) from opt_in_replays") == [(0,)]


def test_a_missing_contact_is_reported_unless_it_may_be_made(outbox: Outbox) -> None:
    chosen = outbox.contact_ids[0]
    gone, address = forget(outbox, chosen), f"lost{chosen}@example.org"
    outbox.decide(GRANTED, [chosen])
    assert outbox.push() == OptInPushed(rejected=1, requests=1)
    assert letters_of(outbox) == [(gone, GRANTED, 200, "2008", True)]
    assert holders(outbox, address) == []
    replay_dead_letters(outbox.warehouse, None)
    assert push_creating(outbox) == OptInPushed(accepted=1, retrying=1, requests=2)
    ((made, value),) = holders(outbox, address)
    assert value == GRANTED
    assert outbox.sandbox.field_values("3")[made] == f"Lost{chosen}@example.org"
    outbox.decide(WITHDRAWN, [chosen])
    assert push_creating(outbox) == OptInPushed(accepted=1, retrying=1, requests=2)
    assert holders(outbox, address) == [(made, WITHDRAWN)]
    assert letters_of(outbox) == []


@pytest.mark.parametrize("fault", ["commit_then_drop", "reset_before_answer", "overloaded"])
def test_a_contact_is_made_once_however_its_request_ends(outbox: Outbox, fault: str) -> None:
    chosen = outbox.contact_ids[1]
    forget(outbox, chosen)
    address = f"lost{chosen}@example.org"
    before = len(outbox.sandbox.field_values("3"))
    outbox.decide(GRANTED, [chosen])
    # The first request finds out that the contact is missing.
    outbox.sandbox.set_fault(fault, PUT, after=1, times=6)
    push_creating(outbox)
    outbox.sandbox.clear_faults()
    with outbox.warehouse.write() as connection:
        connection.execute("update opt_in_pushes set retry_at = null where retry_at is null")
        connection.execute(
            "update opt_in_pushes set retry_at = intended_at where retry_at is not null"
        )
    push_creating(outbox)
    ((_, value),) = holders(outbox, address)
    assert value == GRANTED
    assert len(outbox.sandbox.field_values("3")) <= before + 1
    assert rows(
        outbox.warehouse, "select outcome, key_field_id from opt_in_deliveries where attempts > 1"
    ) == [("accepted", "3")]


def test_contacts_of_one_person_do_not_become_two(outbox: Outbox) -> None:
    first, second = outbox.contact_ids[2:4]
    gone = [forget(outbox, first), forget(outbox, second)]
    address = f"both{first}@example.org"
    with outbox.warehouse.write() as connection:
        for each in gone:
            phones = [phone_of(each.removeprefix("9"))]
            email = {"email": address}
            add_contact(
                connection, each, number=2, phones=phones, emails=[address], properties=email
            )
    stitch(outbox.warehouse, 2)
    outbox.decide(GRANTED, [first])
    assert push_creating(outbox).accepted == 2
    assert [value for _, value in holders(outbox, address)] == [GRANTED]


def test_a_missing_contact_that_nothing_names_is_a_dead_letter(outbox: Outbox) -> None:
    chosen = outbox.contact_ids[0]
    gone = forget(outbox, chosen)
    with outbox.warehouse.write() as connection:
        connection.execute(
            "update current_contacts set email = null where contact_id = $gone", {"gone": gone}
        )
    outbox.decide(GRANTED, [chosen])
    assert push_creating(outbox) == OptInPushed(retrying=1, requests=1)
    assert letters_of(outbox) == [(gone, GRANTED, None, "2008", True)]
    assert push_creating(outbox) == OptInPushed()
