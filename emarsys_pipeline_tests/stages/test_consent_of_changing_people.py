"""Consent while people merge, split and are imported again: it follows from the set of events."""

import random
import re
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import emarsys_pipeline
from emarsys_pipeline.inbox import Inbox, parse_message
from emarsys_pipeline.stages.consent_events import ingest_consent_events
from emarsys_pipeline_tests.builders import add_consent, add_contact, window
from emarsys_pipeline_tests.reference import Decision, fold, union_find
from emarsys_pipeline_tests.stages.deciding import (
    FIELD,
    NOW,
    OTHER_PHONE,
    PHONE,
    add_field,
    deltas,
    derive,
    make_account,
    put_readings,
    rows,
    settle,
    stitch,
)
from emarsys_pipeline_tests.warehouses import Warehouse

CONTACTS = ("1", "2", "3", "4")
PHONES = tuple(f"+491510000000{number}" for number in range(4))
WINDOWS = 3

# By window: which numbers each contact holds in it. Two contacts with one number are one person.
HOLDINGS = st.lists(
    st.fixed_dictionaries(
        {contact: st.frozensets(st.sampled_from(PHONES), max_size=2) for contact in CONTACTS}
    ),
    min_size=WINDOWS,
    max_size=WINDOWS,
)
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(PHONES),
        st.sampled_from(["granted", "withdrawn", "denied", "paused"]),
        st.integers(0, 3),
    ),
    max_size=8,
)


@settings(max_examples=6, deadline=None, print_blob=True)
@given(holdings=HOLDINGS, events=EVENTS, seed=st.integers(0, 10**6))
def test_status_follows_events_whatever_merges_splits_order_and_repetition(
    migrated_directory: Path,
    holdings: list[Mapping[str, frozenset[str]]],
    events: list[tuple[str, str, int]],
    seed: int,
) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret
    deliveries = list(range(len(events))) * 2
    chance.shuffle(deliveries)
    with TemporaryDirectory() as folder, Inbox(Path(folder) / "inbox.sqlite") as inbox:
        shutil.copytree(migrated_directory, Path(folder) / "warehouse")
        warehouse = Warehouse(Path(folder) / "warehouse", publish_interval_seconds=3600)
        for number, held in enumerate(holdings):
            with warehouse.write() as connection:
                for contact, phones in held.items():
                    add_contact(connection, contact, phones=sorted(phones), number=number)
            stitch(warehouse, number)
            share = deliveries[number::WINDOWS]
            for position, each in enumerate(share):
                phone, status, occurred = events[each]
                content = {
                    "event_id": f"e{each}",
                    "phone": phone,
                    "status": status,
                    "occurred_at": f"2026-01-01T00:00:0{occurred}Z",
                }
                received = window(number).start + timedelta(seconds=position)
                message = parse_message("consent", content)
                inbox.put([message], source="webhook", received_at=received)
            for asked in chance.sample(range(number + 1), number + 1):
                ingest_consent_events(warehouse, inbox, window(asked), default_region="DE")
        received_at = {
            row["event_id"]: row["received_at"].timestamp()
            for row in inbox.fetch("consent").to_pylist()
        }
        found = rows(
            warehouse,
            "select contact_id, status, event_id from identity_members"
            " join consent_status using (identity_id) order by contact_id",
        )
    groups = union_find(holdings[-1])
    person_of = {
        phone: min(group)
        for group in groups
        for contact in group
        for phone in holdings[-1][contact]
    }
    expected = fold(
        Decision(
            f"e{each}",
            person_of[phone],
            "whatsapp",
            status if status != "paused" else "unknown",
            occurred,
            int(received_at[f"e{each}"]),
        )
        for each, (phone, status, occurred) in enumerate(events)
        if phone in person_of
    )
    assert found == sorted(
        (contact, *expected[(min(group), "whatsapp")])
        for group in groups
        for contact in group
        if (min(group), "whatsapp") in expected
    )


def test_an_import_of_attributes_cannot_change_consent(warehouse: Warehouse) -> None:
    add_field(warehouse)
    with warehouse.write() as connection:
        add_contact(connection, "1", phones=[PHONE])
        add_consent(connection, "yes", "granted", phone=PHONE, minute=1)
    stitch(warehouse)
    status = "select status, event_id from consent_status"
    before = rows(warehouse, status), rows(warehouse, "from consent_events")
    for number, value in enumerate(("withdrawn", "", "granted", "something"), start=1):
        with warehouse.write() as connection:
            add_contact(connection, "1", phones=[PHONE, OTHER_PHONE], number=number)
        put_readings(warehouse, {"1": value}, NOW + timedelta(days=number))
        stitch(warehouse, number)
        derive(warehouse, number)
        assert (rows(warehouse, status), rows(warehouse, "from consent_events")) == before


def test_only_the_inbox_and_erasure_write_the_ledger() -> None:
    writes = re.compile(r"(insert into|update|delete from|replace into)\s+consent_events\b", re.I)
    package = Path(emarsys_pipeline.__file__).parent
    writers = {
        str(path.relative_to(package).parent)
        for path in package.rglob("*")
        if path.suffix in {".py", ".sql"} and writes.search(path.read_text())
    }
    assert writers - {"privacy"} == {"stages/consent_events"}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_account_gets_the_deltas_that_its_fields_need_and_no_other(
    warehouse: Warehouse, seed: int
) -> None:
    """Two accounts with fields and values of their own, people with contacts in both."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    accounts = {
        "shop_de": make_account(),
        "shop_at": make_account("shop_at", field="77", granted="ja", withdrawn="nein"),
    }
    fields = {"shop_de": FIELD, "shop_at": "77"}
    values = {"shop_de": ("granted", "withdrawn"), "shop_at": ("ja", "nein")}
    add_field(warehouse)
    add_field(warehouse, "77", account="shop_at")
    owner: dict[tuple[str, str], int] = {}
    for number in range(40):
        owner[(chance.choice(tuple(accounts)), str(number))] = chance.randrange(12)
    with warehouse.write() as connection:
        for (account, contact), person in owner.items():
            phone = f"+49151{person:08d}"
            add_contact(connection, contact, account=account, phones=[phone])
    stitch(warehouse)
    shown: dict[tuple[str, str], str | None] = {}
    for account, contact in owner:
        shown[(account, contact)] = chance.choice([*values[account], None])
        put_readings(
            warehouse,
            {contact: shown[(account, contact)]},
            datetime(2026, 1, 1, 12, tzinfo=UTC),
            account=account,
            field_id=fields[account],
        )
    decided: dict[int, str] = {}
    with warehouse.write() as connection:
        for minute, person in enumerate(chance.choices(range(12), k=14)):
            status = chance.choice(["granted", "withdrawn", "denied"])
            decided[person] = status
            phone = f"+49151{person:08d}"
            add_consent(connection, f"e{minute}", status, phone=phone, number=1, minute=minute)

    def wanted(account: str, person: int) -> str | None:
        granted, withdrawn = values[account]
        status = decided.get(person)
        return None if status is None else granted if status == "granted" else withdrawn

    expected = sorted(
        (account, contact, shown[(account, contact)], wanted(account, person))
        for (account, contact), person in owner.items()
        if wanted(account, person) not in (None, shown[(account, contact)])
    )
    derive(warehouse, 1, *accounts.values())
    assert sorted(row[:4] for row in deltas(warehouse)) == expected
    ids = rows(warehouse, "select delta_id from opt_in_deltas order by 1")
    assert derive(warehouse, 1, *accounts.values(), minute=1).derived == 0
    with warehouse.write() as connection:
        connection.execute("delete from opt_in_deltas")
    derive(warehouse, 1, *accounts.values(), minute=2)
    assert rows(warehouse, "select delta_id from opt_in_deltas order by 1") == ids

    # Our own writes come back with the next import, and a new contact of somebody appears.
    settle(warehouse, "accepted", NOW + timedelta(minutes=5))
    for account, contact, _, value in expected:
        put_readings(
            warehouse,
            {contact: value},
            NOW + timedelta(hours=12),
            account=account,
            field_id=fields[account],
        )
    assert derive(warehouse, 2, *accounts.values(), minute=6).derived == 0
    person = next(iter(decided))
    with warehouse.write() as connection:
        add_contact(connection, "new", account="shop_at", phones=[f"+49151{person:08d}"], number=2)
    stitch(warehouse, 2)
    derive(warehouse, 2, *accounts.values(), minute=7)
    assert deltas(warehouse)[len(expected) :] == [
        ("shop_at", "new", None, wanted("shop_at", person), "stitched", deltas(warehouse)[-1][5])
    ]
