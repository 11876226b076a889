"""Mapping of raw rows: types, identifiers, and what counts as a change."""

from pathlib import Path
from typing import Any

import pytest

from emarsys_pipeline.settings import AccountSettings
from emarsys_pipeline.stages.mapped_contacts import (
    ContactsMapped,
    NotImportedError,
    map_segment,
    mapping,
)
from emarsys_pipeline.stages.raw_segment_exports import UnknownFieldError
from emarsys_pipeline_tests.stages.landed_rows import (
    SEGMENT,
    make_account,
    put_catalogue,
    put_raw,
    table,
    window,
)
from emarsys_pipeline_tests.warehouses import Warehouse

MAPPED = (
    "select contact_id, operation, changed_fields, email, mobile, first_name, phone_numbers,"
    " email_addresses from mapped_contacts order by window_start, segment_id, contact_id"
)
CURRENT = (
    "select contact_id, is_member, first_name, phone_numbers, email_addresses"
    " from current_contacts order by account, contact_id"
)
REJECTED = (
    "select contact_id, property, field_id, raw_value, reason from rejected_values"
    " order by contact_id, property"
)


@pytest.fixture
def warehouse(warehouse: Warehouse) -> Warehouse:
    put_catalogue(warehouse)
    return warehouse


def run(
    warehouse: Warehouse,
    number: int = 0,
    *,
    account: AccountSettings | None = None,
    segment_id: str = SEGMENT,
    types: dict[str, str] | None = None,
) -> ContactsMapped:
    account = account or make_account()
    property_types = {item.property: "varchar" for item in account.fields} | (types or {})
    return map_segment(
        warehouse,
        account,
        segment_id,
        window(number),
        property_types=property_types,
        run_id="run",
    )


def counts(**values: Any) -> ContactsMapped:
    nothing = {"read": 0, "new": 0, "changed": 0, "left": 0, "unchanged": 0, "rejected_values": 0}
    return ContactsMapped(**{**nothing, "top_changed_fields": {}, **values})


MINA = {"contact_id": "1", "3": "Mina@Example.org", "37": "0170 1234567", "1": "Mina"}
NOOR = {"contact_id": "2", "3": "noor@example.org", "37": "+43 664 1234567", "1": None}


def test_the_first_window_makes_new_rows_with_normalised_identifiers(
    warehouse: Warehouse,
) -> None:
    put_raw(warehouse, [MINA, NOOR])

    assert run(warehouse) == counts(read=2, new=2)
    mina: tuple[Any, ...] = ("1", "new", [], "Mina@Example.org", "0170 1234567", "Mina")
    noor: tuple[Any, ...] = ("2", "new", [], "noor@example.org", "+43 664 1234567", None)
    expected = [
        (*mina, ["+491701234567"], ["mina@example.org"]),
        (*noor, ["+436641234567"], ["noor@example.org"]),
    ]
    assert table(warehouse, MAPPED) == expected
    assert table(warehouse, REJECTED) == []
    assert run(warehouse) == counts(read=2, new=2)
    assert table(warehouse, MAPPED) == expected
    assert table(warehouse, CURRENT) == [
        ("1", True, "Mina", ["+491701234567"], ["mina@example.org"]),
        ("2", True, None, ["+436641234567"], ["noor@example.org"]),
    ]


def test_only_mapped_fields_and_canonical_values_make_a_change(warehouse: Warehouse) -> None:
    account = make_account(
        fields=[
            {"emarsys": 3, "as": "email", "identifier": "email"},
            {"emarsys": 46, "as": "salutation"},
            {"emarsys": 900, "as": "points"},
        ]
    )
    before = [
        {"contact_id": "1", "3": "a@example.org", "46": "Ms.", "900": "12"},
        {"contact_id": "2", "3": "b@example.org", "46": "Ms.", "900": ""},
        {"contact_id": "3", "3": "c@example.org", "46": "Mr.", "900": "1"},
        {"contact_id": "4", "3": "d@example.org", "46": "Mr.", "900": "1"},
    ]
    after: list[dict[str, Any]] = [
        {"contact_id": "1", "3": "a@example.org", "46": "2", "900": "12.0", "dialect": "ids"},
        {"contact_id": "2", "3": "b@example.org", "46": "Ms.", "900": None, "1": "unmapped"},
        {"contact_id": "3", "3": "c@example.org", "46": "", "900": "2", "kind": "changed"},
        {"contact_id": "4", "kind": "left", "dialect": None},
    ]
    put_raw(warehouse, before)
    put_raw(warehouse, after, 1)
    run(warehouse, account=account, types={"points": "double"})

    outcome = run(warehouse, 1, account=account, types={"points": "double"})

    assert outcome == counts(
        read=4, changed=1, left=1, unchanged=2, top_changed_fields={"points": 1, "salutation": 1}
    )
    assert table(
        warehouse,
        "select contact_id, operation, changed_fields, email, salutation, points, row_hash is null"
        " from mapped_contacts where window_start = $start order by contact_id",
        start=window(1).start,
    ) == [
        ("3", "changed", ["points", "salutation"], "c@example.org", None, 2.0, False),
        ("4", "left", [], None, None, None, True),
    ]


def test_a_date_in_another_spelling_is_no_change(warehouse: Warehouse) -> None:
    account = make_account(
        fields=[
            {"emarsys": 3, "as": "email", "identifier": "email"},
            {"emarsys": 4, "as": "born_on"},
        ]
    )
    spellings = ("1990-02-28", "1990-02-28 00:00:00", "1990-02-28T13:30:00", " 1990-02-28 ")
    days = (*spellings, "1990-2-28", "1990-02-29")
    named = [
        {"contact_id": str(number), "3": f"c{number}@example.org"} for number in range(len(days))
    ]
    put_raw(warehouse, [row | {"4": "1990-02-28"} for row in named])
    put_raw(warehouse, [row | {"4": day} for row, day in zip(named, days, strict=True)], 1)
    types = {"born_on": "date"}
    run(warehouse, account=account, types=types)

    outcome = run(warehouse, 1, account=account, types=types)

    assert outcome == counts(
        read=6, changed=1, unchanged=5, rejected_values=1, top_changed_fields={"born_on": 1}
    )
    assert table(warehouse, REJECTED) == [("5", "born_on", "4", "1990-02-29", "not_a_date")]
    assert table(
        warehouse, "select distinct born_on::varchar from mapped_contacts where operation = 'new'"
    ) == [("1990-02-28",)]


def test_values_take_their_declared_types_and_misfits_are_kept_with_a_reason(
    warehouse: Warehouse,
) -> None:
    account = make_account(
        fields=[
            {"emarsys": "EMAIL", "as": "email", "identifier": "email"},
            {"emarsys": "Mobile", "as": "mobile", "identifier": "phone"},
            {"emarsys": 4, "as": "born_on"},
            {"emarsys": 46, "as": "salutation_id", "choices": "id"},
            {"emarsys": 901, "as": "colours"},
            {"emarsys": 900, "as": "points"},
        ]
    )
    good = {"contact_id": "1", "3": "a@example.org", "37": "0170 1234567", "4": "1990-02-28"}
    good |= {"46": "Ms.", "900": "12.5", "901": "10,2"}
    bad = {"contact_id": "2", "3": "nobody", "37": "01", "4": "1990-02-30", "46": "Count"}
    bad |= {"900": "many", "901": "2,3"}
    put_raw(warehouse, [good, bad])

    types = {"born_on": "date", "points": "double", "colours": "varchar[]"}
    assert run(warehouse, account=account, types=types) == counts(read=2, new=2, rejected_values=6)

    assert table(
        warehouse,
        "select contact_id, born_on::varchar, salutation_id, colours, points, mobile,"
        " phone_numbers from mapped_contacts order by contact_id",
    ) == [
        ("1", "1990-02-28", "2", ["Red", "Blue"], 12.5, "0170 1234567", ["+491701234567"]),
        ("2", None, None, None, None, "01", []),
    ]
    assert table(warehouse, REJECTED) == [
        ("2", "born_on", "4", "1990-02-30", "not_a_date"),
        ("2", "colours", "901", "2,3", "unknown_choice"),
        ("2", "email", "3", "nobody", "email_no_at_sign"),
        ("2", "mobile", "37", "01", "phone_too_short"),
        ("2", "points", "900", "many", "not_a_number"),
        ("2", "salutation_id", "46", "Count", "unknown_choice"),
    ]


def test_a_national_number_belongs_to_the_country_of_its_contact(warehouse: Warehouse) -> None:
    """The country is not mapped, and yet a move changes the number that the text stands for."""
    home = {"contact_id": "1", "37": "0664 1234567", "14": "Austria"}
    by_id = {"contact_id": "2", "37": "0664 1234567", "14": "10", "dialect": "ids"}
    put_raw(warehouse, [home, by_id])
    put_raw(warehouse, [{**home, "14": "Germany"}], 1)

    run(warehouse)
    assert run(warehouse, 1).top_changed_fields == {"mobile": 1}

    numbers = "select contact_id, phone_numbers from mapped_contacts order by all"
    assert table(warehouse, numbers) == [
        ("1", ["+436641234567"]),
        ("1", ["+496641234567"]),
        ("2", ["+436641234567"]),
    ]


def test_identifiers_of_several_fields_are_listed_once_in_mapping_order(
    warehouse: Warehouse,
) -> None:
    account = make_account(
        fields=[
            {"emarsys": 1, "as": "work_phone", "identifier": "phone"},
            {"emarsys": 37, "as": "mobile", "identifier": "phone"},
        ]
    )
    put_raw(
        warehouse,
        [
            {"contact_id": "1", "1": "+49 171 1234567", "37": "0170 1234567"},
            {"contact_id": "2", "1": "+49 170 1234567", "37": "0170 1234567"},
        ],
    )
    run(warehouse, account=account)
    assert table(warehouse, "select phone_numbers from mapped_contacts order by contact_id") == [
        (["+491711234567", "+491701234567"],),
        (["+491701234567"],),
    ]


def test_mapping_windows_again_in_any_order_gives_the_same_tables(warehouse: Warehouse) -> None:
    put_raw(warehouse, [MINA, NOOR])
    put_raw(warehouse, [{**MINA, "1": "Mia"}, {"contact_id": "2", "kind": "left"}], 1)
    put_raw(warehouse, [{**NOOR, "kind": "entered"}], 2)
    for number in range(3):
        run(warehouse, number)
    mapped, current = table(warehouse, MAPPED), table(warehouse, CURRENT)
    assert [row[:2] for row in mapped] == [
        ("1", "new"),
        ("2", "new"),
        ("1", "changed"),
        ("2", "left"),
        ("2", "new"),
    ]
    for number in (1, 0, 2):
        run(warehouse, number)
        assert (table(warehouse, MAPPED), table(warehouse, CURRENT)) == (mapped, current)


def test_a_mapping_that_dies_before_its_commit_leaves_the_tables_as_they_were(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_raw(warehouse, [MINA, NOOR])
    put_raw(warehouse, [{**MINA, "1": "Mia"}], 1)
    run(warehouse)
    before = table(warehouse, MAPPED), table(warehouse, CURRENT)
    with monkeypatch.context() as patched:
        patched.setattr(mapping, "update_readings", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(warehouse, 1)
    assert (table(warehouse, MAPPED), table(warehouse, CURRENT)) == before
    assert run(warehouse, 1) == counts(read=1, changed=1, top_changed_fields={"first_name": 1})


def interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def test_the_newest_reading_of_the_opt_in_field_is_kept_even_when_nothing_changed(
    warehouse: Warehouse,
) -> None:
    account = make_account(opt_in={"field": "WhatsApp opt-in"})
    readings = "select contact_id, field_id, value, requested_at from opt_in_readings order by 1"
    put_raw(warehouse, [{**MINA, "902": "granted"}])
    put_raw(warehouse, [{**MINA, "902": "withdrawn"}], 1)
    run(warehouse, 0, account=account)
    assert table(warehouse, readings) == [("1", "902", "granted", window(0).end)]
    assert run(warehouse, 1, account=account) == counts(read=1, unchanged=1)
    newest = [("1", "902", "withdrawn", window(1).end)]
    assert table(warehouse, readings) == newest
    run(warehouse, 0, account=account)
    assert table(warehouse, readings) == newest


def test_accounts_with_equal_segments_and_contacts_stay_apart(warehouse: Warehouse) -> None:
    put_catalogue(warehouse, account="other")
    put_raw(warehouse, [MINA])
    put_raw(warehouse, [{**NOOR, "contact_id": "1"}], account="other")
    run(warehouse)
    run(warehouse, account=make_account(name="other"))
    assert table(warehouse, "select account, first_name from current_contacts order by 1") == [
        ("other", None),
        ("shop", "Mina"),
    ]


def test_a_vanished_field_is_named_and_the_last_values_stay(warehouse: Warehouse) -> None:
    put_raw(warehouse, [MINA])
    run(warehouse)
    before = table(warehouse, MAPPED), table(warehouse, CURRENT)
    account = make_account(fields=[{"emarsys": "mobil", "as": "mobile", "identifier": "phone"}])
    with pytest.raises(UnknownFieldError, match=r'"mobil".*"Mobile" \(37\)'):
        run(warehouse, account=account)
    assert (table(warehouse, MAPPED), table(warehouse, CURRENT)) == before


def test_a_partition_that_never_landed_is_refused(tmp_path: Path) -> None:
    empty = Warehouse(tmp_path, publish_interval_seconds=0)
    empty.migrate()
    with pytest.raises(NotImportedError, match="has not landed"):
        run(empty)


def test_a_newly_mapped_field_changes_those_who_have_it(warehouse: Warehouse) -> None:
    narrow = make_account(fields=[{"emarsys": 3, "as": "email", "identifier": "email"}])
    put_raw(warehouse, [MINA, NOOR])
    put_raw(warehouse, [MINA, NOOR], 1)
    run(warehouse, account=narrow)
    outcome = run(warehouse, 1)
    assert outcome == counts(read=2, changed=2, top_changed_fields={"mobile": 2, "first_name": 1})
