"""What the messaging side must be told, as a table and as files."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from emarsys_pipeline.inbox import ContactMessage, Inbox
from emarsys_pipeline.settings import AccountSettings, HandOverSettings
from emarsys_pipeline.stages.contact_upserts import ContactUpsertsDerived, hand_over
from emarsys_pipeline.stages.contact_upserts.hand_over import hand_over_path
from emarsys_pipeline.stages.platform_contacts import ingest_platform_contacts
from emarsys_pipeline_tests.builders import add_platform_contact, window
from emarsys_pipeline_tests.stages import landed_rows
from emarsys_pipeline_tests.stages.deciding import add_field, rows
from emarsys_pipeline_tests.stages.upserting import add_person, derive, stitch
from emarsys_pipeline_tests.warehouses import Warehouse

A, B = "+4915100000001", "+4915100000002"
NOTHING = ContactUpsertsDerived()


def upserts(warehouse: Warehouse) -> list[dict[str, Any]]:
    """All upserts in the order derived, without ids, hashes and times."""
    found = rows(
        warehouse,
        "select window_start, operation, merged_into is not null, phone_numbers, email_addresses,"
        " properties, changed_properties from contact_upserts order by derived_at, operation,"
        " phone_numbers",
    )
    names = ("window", "operation", "is_merged", "phones", "emails", "properties", "changed")
    return [
        dict(zip(names, row, strict=True))
        | {"window": (row[0] - window(0).start) // (window(1).start - window(0).start)}
        | {"properties": json.loads(row[5])}
        for row in found
    ]


def upsert(number: int, operation: str, changed: list[str], **content: Any) -> dict[str, Any]:
    return {
        "window": number,
        "operation": operation,
        "is_merged": False,
        "phones": [],
        "emails": [],
        "properties": {},
        "changed": changed,
    } | content


def ledger(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    return rows(warehouse, "from contact_upserts order by derived_at, upsert_id")


def test_each_new_and_changed_golden_record_is_one_row_of_its_window(warehouse: Warehouse) -> None:
    with warehouse.write() as connection:
        add_person(connection, "1", phones=[A], emails=["a@example.org"], city='Graz "Mitte"')
        add_person(connection, "2", phones=[B], score=1.5, tags=["x", "y"])
    stitch(warehouse, 0)
    assert derive(warehouse).new == 2
    with warehouse.write() as connection:
        add_person(connection, "1", number=1, phones=[A], emails=["a@example.org"], city="Linz")
        add_person(connection, "2", number=1, phones=[B], score=1.5, tags=["x", "y"])
    stitch(warehouse, 1)
    assert derive(warehouse) == ContactUpsertsDerived(changed=1, by_property={"city": 1})
    assert upserts(warehouse) == [
        upsert(
            0,
            "new",
            ["city", "email_addresses", "phone_numbers"],
            phones=[A],
            emails=["a@example.org"],
            properties={"city": 'Graz "Mitte"'},
        ),
        upsert(
            0,
            "new",
            ["phone_numbers", "score", "tags"],
            phones=[B],
            properties={"score": 1.5, "tags": ["x", "y"]},
        ),
        upsert(
            1,
            "changed",
            ["city"],
            phones=[A],
            emails=["a@example.org"],
            properties={"city": "Linz"},
        ),
    ]


def test_a_second_run_adds_nothing_and_a_rebuild_gives_the_same_ids(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    other = Warehouse(tmp_path / "other", publish_interval_seconds=3600)
    other.migrate()
    for each in (warehouse, other):
        for number, city in enumerate(("Graz", "Linz", "Graz")):
            with each.write() as connection:
                add_person(connection, "1", number=number, phones=[A], city=city)
            stitch(each, number)
            derive(each)
    first = ledger(warehouse)
    assert derive(warehouse) == NOTHING
    assert ledger(warehouse) == first
    query = (
        "select window_start, upsert_id, content_hash, predecessor from contact_upserts order by 1"
    )
    assert rows(other, query) == rows(warehouse, query)
    hashes = [row[2] for row in rows(warehouse, query)]
    ids = {row[1] for row in rows(warehouse, query)}
    assert hashes[0] == hashes[2] != hashes[1]
    assert len(ids) == 3


def test_a_value_that_is_gone_is_told_as_null_and_one_that_never_was_is_not_told(
    warehouse: Warehouse,
) -> None:
    for number, city in enumerate(("Graz", None, None)):
        with warehouse.write() as connection:
            add_person(connection, "1", number=number, phones=[A], city=city)
        stitch(warehouse, number)
        derive(warehouse)
    assert [(each["window"], each["properties"]) for each in upserts(warehouse)] == [
        (0, {"city": "Graz"}),
        (1, {"city": None}),
    ]


def test_a_merged_person_is_retired_and_names_the_one_that_lives(warehouse: Warehouse) -> None:
    with warehouse.write() as connection:
        add_person(connection, "1", phones=[A], city="Graz")
        add_person(connection, "2", phones=[B], city="Linz")
    stitch(warehouse, 0)
    derive(warehouse)
    with warehouse.write() as connection:
        add_person(connection, "2", number=1, phones=[A, B], city="Linz")
    stitch(warehouse, 1)
    assert derive(warehouse) == ContactUpsertsDerived(
        changed=1, retired=1, by_property={"city": 1, "phone_numbers": 1}
    )
    ((living,),) = rows(warehouse, "select identity_id from identities")
    assert upserts(warehouse)[2:] == [
        upsert(
            1,
            "changed",
            ["city", "phone_numbers"],
            phones=[A, B],
            properties={"city": "Linz"},
        ),
        upsert(
            1,
            "retired",
            [],
            is_merged=True,
            properties={"city": None, "merged_into": living},
        ),
    ]
    assert derive(warehouse) == NOTHING

    with warehouse.write() as connection:
        add_person(connection, "2", number=2, phones=[B], city="Linz")
    stitch(warehouse, 2)
    derive(warehouse)
    assert upserts(warehouse)[-1] == upsert(
        2,
        "new",
        ["city", "merged_into", "phone_numbers"],
        phones=[B],
        properties={"city": "Linz", "merged_into": None},
    )


def test_ids_of_the_messaging_side_are_told_but_learning_one_is_nothing_to_tell(
    warehouse: Warehouse,
) -> None:
    with warehouse.write() as connection:
        add_person(connection, "1", phones=[A])
        add_platform_contact(connection, "p1", phone=A)
    stitch(warehouse, 0)
    derive(warehouse)
    with warehouse.write() as connection:
        add_platform_contact(connection, "p2", number=1, phone=A)
    stitch(warehouse, 1)
    assert derive(warehouse) == NOTHING
    assert rows(warehouse, "select platform_contact_ids from contact_upserts") == [(["p1"],)]


def test_a_contact_that_comes_back_by_webhook_is_no_upsert(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    """The platform made a contact of our upsert and tells of it, with an id of its own."""
    with warehouse.write() as connection:
        add_person(connection, "1", phones=[A], emails=["a@example.org"], first_name="Ada")
    stitch(warehouse, 0)
    derive(warehouse)
    message = ContactMessage(
        platform_contact_id="p1",
        phone=A,
        email="a@example.org",
        first_name="Ada",
        updated_at=datetime(2026, 1, 1, 13, tzinfo=UTC),
    )
    with Inbox(tmp_path / "inbox.sqlite") as inbox:
        inbox.put([message], source="webhook", received_at=datetime(2026, 1, 1, 13, tzinfo=UTC))
        ingest_platform_contacts(warehouse, inbox, window(1), default_region="DE")
    stitch(warehouse, 1)
    assert rows(warehouse, "select platform_contacts from identities") == [(1,)]
    assert derive(warehouse) == NOTHING


@pytest.mark.parametrize("reference", ["10500", "whatsapp_opt_in", "WhatsApp opt-in", "31"])
def test_consent_never_travels_however_it_is_mapped(warehouse: Warehouse, reference: str) -> None:
    add_field(warehouse)
    add_field(warehouse, "31", name="Opt-In", string_id="optin", application_type="special")
    account: AccountSettings = landed_rows.make_account(
        name="shop_de",
        fields=[
            {"emarsys": "37", "as": "mobile", "identifier": "phone"},
            {"emarsys": reference, "as": "city"},
        ],
        opt_in={"field": "whatsapp_opt_in"},
    )
    with warehouse.write() as connection:
        add_person(connection, "1", phones=[A], city="granted")
    stitch(warehouse, 0)
    assert derive(warehouse, accounts=[account]).withheld == ("city",)
    assert [each["properties"] for each in upserts(warehouse)] == [{}]


def test_a_window_that_is_stitched_again_later_never_goes_behind_a_newer_row(
    warehouse: Warehouse,
) -> None:
    """Files are read in order of windows: the last one must hold the newest record."""
    with warehouse.write() as connection:
        add_person(connection, "1", phones=[A], city="Graz")
    stitch(warehouse, 0)
    with warehouse.write() as connection:
        add_person(connection, "1", number=2, phones=[A], city="Linz")
    stitch(warehouse, 2)
    derive(warehouse)
    with warehouse.write() as connection:
        add_platform_contact(connection, "p1", number=1, phone=A, email="late@example.org")
    stitch(warehouse, 1)
    derive(warehouse)
    assert [(each["window"], each["emails"]) for each in upserts(warehouse)] == [
        (2, []),
        (2, ["late@example.org"]),
    ]


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("file_format", ["ndjson", "parquet"])
def test_a_window_is_handed_over_as_the_same_bytes_each_time(
    warehouse: Warehouse, tmp_path: Path, file_format: Any
) -> None:
    settings = HandOverSettings(folder=Path("out"), format=file_format)
    with warehouse.write() as connection:
        for number in range(50):
            add_person(connection, str(number), phones=[f"+49151{number:08}"], tags=["ü", "{}"])
    stitch(warehouse, 0)
    derive(warehouse)
    handed = hand_over(warehouse, settings, tmp_path, [window(0)])
    assert handed.rows == {f"contact_upserts_2026-01-01T0000Z.{file_format}": 50}
    first = files_in(tmp_path / "out")
    for path in (tmp_path / "out").iterdir():
        path.unlink()
    hand_over(warehouse, settings, tmp_path, [window(0)])
    assert files_in(tmp_path / "out") == first
    assert list(first) == [f"contact_upserts_2026-01-01T0000Z.{file_format}"]


def test_a_file_holds_what_the_table_holds(warehouse: Warehouse, tmp_path: Path) -> None:
    with warehouse.write() as connection:
        add_person(connection, "1", phones=[A], emails=["a@example.org"], city="Köln\n", score=0.1)
    stitch(warehouse, 0)
    derive(warehouse)
    ((upsert_id, identity_id),) = rows(
        warehouse, "select upsert_id, identity_id from contact_upserts"
    )
    row = {
        "window_start": "2026-01-01T00:00:00Z",
        "upsert_id": upsert_id,
        "identity_id": identity_id,
        "operation": "new",
        "merged_into": None,
        "emarsys_contacts": 1,
        "platform_contact_ids": [],
        "phone_numbers": [A],
        "email_addresses": ["a@example.org"],
        "properties": {"city": "Köln\n", "score": 0.1},
        "changed_properties": ["city", "email_addresses", "phone_numbers", "score"],
    }
    for file_format in ("ndjson", "parquet"):
        settings = HandOverSettings.model_validate({"folder": "out", "format": file_format})
        hand_over(warehouse, settings, tmp_path, [window(0)])
    text = hand_over_path(tmp_path / "out", "ndjson", window(0).start).read_text()
    assert [json.loads(line) for line in text.splitlines()] == [row]
    table = pq.read_table(hand_over_path(tmp_path / "out", "parquet", window(0).start))
    (held,) = table.to_pylist()
    assert held | {"properties": json.loads(held["properties"])} == row | {
        "window_start": window(0).start
    }


def test_an_empty_window_has_an_empty_file_and_an_outdated_one_is_written_anew(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    settings = HandOverSettings(folder=tmp_path / "out")
    with warehouse.write() as connection:
        add_person(connection, "1", phones=[A], city="Graz")
    stitch(warehouse, 0)
    derive(warehouse)
    handed = hand_over(warehouse, settings, tmp_path, [window(1)])
    assert list(handed.rows.values()) == [1, 0]
    with warehouse.write() as connection:
        add_person(connection, "2", phones=[B], city="Linz")
    stitch(warehouse, 0)
    derive(warehouse)
    handed = hand_over(warehouse, settings, tmp_path, [])
    assert handed.rows == {"contact_upserts_2026-01-01T0000Z.ndjson": 2}
    assert hand_over(warehouse, settings, tmp_path, []).rows == {}


def test_a_hand_over_that_is_killed_leaves_no_half_file(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = HandOverSettings(folder=tmp_path / "out")
    with warehouse.write() as connection:
        add_person(connection, "1", phones=[A])
    stitch(warehouse, 0)
    derive(warehouse)

    def die(_: int) -> None:
        raise KeyboardInterrupt

    (tmp_path / "out").mkdir()
    # Of a process that is no more, as a kill leaves it.
    dead = tmp_path / "out" / ".contact_upserts_2026-01-01T0000Z.ndjson.999999999.tmp"
    dead.write_text("half")
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", die)
        with pytest.raises(KeyboardInterrupt):
            hand_over(warehouse, settings, tmp_path, [window(0)])
    assert list((tmp_path / "out").iterdir()) == []
    hand_over(warehouse, settings, tmp_path, [window(0)])
    assert len(list((tmp_path / "out").iterdir())) == 1
