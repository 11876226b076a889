"""A person is erased from everything, does not come back, and others are untouched."""

import signal
import subprocess
import sys
from typing import Any

import pytest

from emarsys_pipeline.inbox import Inbox, parse_message
from emarsys_pipeline.privacy.erase import (
    Home,
    UnclassifiedError,
    erase,
    look_up,
    resume,
)
from emarsys_pipeline.privacy.export import export_person
from emarsys_pipeline.privacy.holdings import HOLDINGS
from emarsys_pipeline.privacy.readmit import readmit
from emarsys_pipeline.privacy.search import search_home
from emarsys_pipeline.privacy.subject import PersonNotFoundError
from emarsys_pipeline.stages.automation_lists.fetch import _record
from emarsys_pipeline.stages.stitched_identities import stitch_identities
from emarsys_pipeline_tests.privacy.people import (
    LENA_IDS,
    LENA_MAIL,
    LENA_PHONE,
    LENA_TEXTS,
    OTTO_MAIL,
    OTTO_PHONE,
    SHARED_MAIL,
    consent,
    run_window,
)
from emarsys_pipeline_tests.stages.deciding import rows
from emarsys_pipeline_tests.stages.landed_rows import SEGMENT, put_raw, window

STEPS = ("rows", "inbox", "databases", "files", "end")


def found(home: Home) -> list[str]:
    findings = search_home(home.warehouse, home.settings.home, texts=LENA_TEXTS, ids=LENA_IDS)
    return [f"{each.file}: {each.place}" for each in findings]


def _without_assignments(counts: dict[str, int]) -> dict[str, int]:
    """Without the tables that say which record is whose, whose form is the stitching's affair."""
    own = {"identity_members", "stitched_identities", "former_members", "identity_events"}
    return {place: number for place, number in counts.items() if place not in own}


def of_otto(home: Home) -> dict[str, Any]:
    return export_person(home, look_up(home, OTTO_MAIL))


def test_the_search_finds_the_person_everywhere_before_and_nowhere_after(home: Home) -> None:
    before, otto = found(home), of_otto(home)
    assert {each.split(": ")[0] for each in before} == {
        "analytics.duckdb",
        "dagster/runs.db",
        "dagster/storage/run/compute_logs/step.err",
        "downloads/left.csv",
        "handover/contacts.ndjson",
        "handover/contacts.parquet",
        "inbox.sqlite",
        "warehouse.duckdb",
    }
    personal = {table for table, holding in HOLDINGS.items() if holding.rows}
    in_tables = {each.split(": ")[1] for each in before if each.startswith("warehouse.duckdb: ")}
    assert in_tables - {"bytes"} <= personal

    done = erase(home, look_up(home, LENA_PHONE))

    assert found(home) == []
    after = of_otto(home)
    otto["inbox"]["consent"], after["inbox"]["consent"] = [], []  # a note on Lena was in there
    assert after == otto
    assert _without_assignments(done.removed) == {
        "automation_events": 1,
        "consent_events": 1,
        "current_contacts": 2,
        "file: contacts.ndjson": 1,
        "file: contacts.parquet": 1,
        "file: left.csv": 1,
        "file: runs.db": 1,
        "file: step.err": 1,
        "identities": 1,
        "identity_identifiers": 2,
        "identity_property_sources": 3,
        "inbox: messages": 4,
        "inbox: unreadable bodies": 1,
        "mapped_contacts": 3,
        "opt_in_deltas": 1,
        "opt_in_drift": 1,
        "opt_in_pushes": 1,
        "opt_in_readings": 2,
        "platform_contacts": 1,
        "raw_segment_exports": 3,
        "rejected_values": 1,
    }
    assert not list(home.requests.iterdir())


def test_the_ledger_keeps_its_rows_about_nobody(home: Home) -> None:
    ((events,),) = rows(home.warehouse, "select count(*) from consent_events")
    erase(home, look_up(home, "p-lena"))

    assert rows(
        home.warehouse,
        "select starts_with(event_id, 'erased-'), platform_contact_id, phone_number,"
        " email_address, status, source, evidence_hash from consent_events where source = 'erased'",
    ) == [(True, None, None, None, "granted", "erased", "")]
    assert rows(home.warehouse, "select count(*) from consent_events") == [(events,)]


def test_identity_ids_stay_through_a_rebuild(home: Home) -> None:
    members = "select identity_id, source, first_window_start from identity_members order by all"
    history = (
        "select window_start, source, identity_id, previous_identity_id from stitched_identities"
        " order by all"
    )
    events = "select window_start, event, identity_id, other_identity_id, records from"
    events += " identity_events order by all"
    aliases = "from identity_aliases order by all"
    before = [rows(home.warehouse, query) for query in (members, history, events, aliases)]
    erase(home, look_up(home, "700002"))

    with home.warehouse.write() as connection:
        for table in (
            "identity_members",
            "former_members",
            "identity_events",
            "identity_identifiers",
            "identity_stitches",
            "identities",
        ):
            connection.execute(" ".join(["delete from", table]))
    for number in (0, 1):
        stitch_identities(
            home.warehouse,
            window(number),
            stitching=home.settings.stitching,
            property_types=home.settings.property_types,
            run_id="run",
        )

    assert [rows(home.warehouse, query) for query in (members, history, events, aliases)] == before
    assert found(home) == []


def test_an_erased_person_is_not_imported_or_taken_in_again(home: Home) -> None:
    erase(home, look_up(home, LENA_MAIL))
    # By the old id, by the old number under a new id, and by a number that lacks its country code.
    put_raw(
        home.warehouse,
        [
            {"contact_id": "700001", "1": "Zzyzxlind"},
            {"contact_id": "700009", "37": LENA_PHONE, "1": "Zzyzxlind"},
            {"contact_id": "700010", "3": LENA_MAIL.upper(), "1": "Zzyzxlind"},
            {"contact_id": "700011", "37": OTTO_PHONE, "1": "Otto"},
        ],
        2,
    )
    with Inbox(home.settings.inbox_path) as inbox:
        again = [
            parse_message("contact", {"platform_contact_id": "p-lena", "event_id": "c8"}),
            parse_message("contact", {"platform_contact_id": "p-new", "phone": LENA_PHONE}),
            parse_message("consent", consent("ev-lena", phone="+4915100000099")),
            parse_message("consent", consent("ev-9", email=LENA_MAIL)),
            parse_message(
                "automation", {"contact_id": "700001", "event_name": "x"}, account="shop"
            ),
        ]
        inbox.put(again, source="webhook", received_at=window(2).start)
        run_window(home, 2)

        assert sum(inbox.counts[kind] for kind in ("consent", "contact", "automation")) == 4
    assert rows(
        home.warehouse,
        "select contact_id from raw_segment_exports where window_start = (select"
        " max(window_start) from raw_segment_exports)",
    ) == [("700011",)]
    assert found(home) == []
    assert rows(
        home.warehouse,
        "select contact_id from identity_members where contact_id like '7%' order by all",
    ) == [("700003",), ("700004",), ("700011",)]


def test_a_list_of_an_automation_does_not_bring_an_erased_contact_back(home: Home) -> None:
    erase(home, look_up(home, LENA_MAIL))
    facts = {
        "window_start": window(2).start,
        "account": "shop",
        "message_id": "m",
        "inbox_sequence": 1,
        "received_at": window(2).start,
        "list_id": "5",
        "state": "fetched",
        "members": 2,
        "reason": None,
        "fetched_at": window(2).start,
        "run_id": "run",
    }

    _record(home.warehouse, facts, ["700001", "700003"])

    assert rows(home.warehouse, "select contact_id from automation_list_members") == [("700003",)]


def test_someone_who_signs_up_anew_can_be_readmitted(home: Home) -> None:
    erase(home, look_up(home, LENA_MAIL))

    assert readmit(home, [LENA_PHONE, "700001"]) == 2

    put_raw(home.warehouse, [{"contact_id": "700001", "37": LENA_PHONE}], 2)
    run_window(home, 2)
    assert look_up(home, LENA_PHONE).contacts == (("emarsys", "shop", "700001"),)


@pytest.mark.parametrize("step", range(len(STEPS)), ids=STEPS)
def test_an_erasure_killed_at_any_step_is_finished_by_the_next_run(home: Home, step: int) -> None:
    killed = subprocess.run(  # noqa: S603 - our own
        [
            *(sys.executable, "-m", "emarsys_pipeline_tests.privacy.people"),
            *(str(home.settings.home), str(step)),
        ],
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert len(list(home.requests.glob("*.json"))) == 1

    (finished,) = resume(home)

    assert found(home) == []
    assert list(home.requests.iterdir()) == []
    assert rows(
        home.warehouse,
        "select count(*), count(finished_at) > 0 from erasures where rows_removed > 0",
    )[0][1]
    assert finished.identity_ids
    assert resume(home) == []


def test_an_identifier_that_others_hold_stays_with_them(home: Home) -> None:
    put_raw(
        home.warehouse,
        [{"contact_id": str(800_000 + n), "3": SHARED_MAIL, "37": ""} for n in range(12)],
        2,
    )
    run_window(home, 2)
    subject = look_up(home, "700004")

    done = erase(home, subject)

    assert (done.contacts, done.shared_identifiers) == (1, 1)
    assert rows(
        home.warehouse,
        "select count(*) from current_contacts"
        " where list_contains(email_addresses, 'family@example.org')",
    ) == [(12,)]


def test_nothing_is_erased_while_a_column_is_unclassified(home: Home) -> None:
    with home.warehouse.write() as connection:
        connection.execute("create table notes (about varchar)")

    with pytest.raises(UnclassifiedError, match=r"notes\.about"):
        erase(home, look_up(home, LENA_MAIL))

    assert rows(home.warehouse, "select count(*) from erasure_tombstones") == [(0,)]


def test_an_unknown_person_is_no_success(home: Home) -> None:
    with pytest.raises(PersonNotFoundError):
        look_up(home, "700099")


def test_the_export_holds_what_every_table_and_the_inbox_hold(home: Home) -> None:
    document = export_person(home, look_up(home, LENA_MAIL))

    counted = {table: len(content) for table, content in document["tables"].items()}
    done = erase(home, look_up(home, LENA_MAIL))
    assert _without_assignments(counted) == _without_assignments(
        {place: number for place, number in done.removed.items() if ":" not in place}
    )
    assert {kind: len(each) for kind, each in document["inbox"].items()} == {
        "automation": 1,
        "consent": 1,
        "contact": 1,
    }
    assert SEGMENT in {row["segment_id"] for row in document["tables"]["mapped_contacts"]}
