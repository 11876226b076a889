"""From the account's fields to typed properties: every way to name a field, every type of field."""

from datetime import date
from typing import Any

import pytest

from emarsys_pipeline.sandbox.process import Sandbox
from emarsys_pipeline.stages.mapped_contacts import map_segment
from emarsys_pipeline.stages.raw_segment_exports import UnknownFieldError
from emarsys_pipeline_tests.stages.importing import CUSTOMERS, Importer, landed, members_of
from emarsys_pipeline_tests.stages.landed_rows import (
    SEGMENT,
    make_account,
    put_catalogue,
    put_raw,
    table,
    window,
)
from emarsys_pipeline_tests.warehouses import Warehouse

# By id, string id (also in capitals) and name; several names are not unique, their ids are.
FIELDS: list[dict[str, Any]] = [
    {"emarsys": 1, "as": "first_name"},
    {"emarsys": "EMAIL", "as": "email", "identifier": "email"},
    {"emarsys": "Mobile", "as": "mobile", "identifier": "phone"},
    {"emarsys": "birth_date", "as": "born_on"},
    {"emarsys": 10250, "as": "points"},
    {"emarsys": "loyalty_points_old", "as": "old_points"},
    {"emarsys": 46, "as": "salutation"},
    {"emarsys": "Loyalty tier", "as": "tier_id", "choices": "id"},
    {"emarsys": 10231, "as": "colours"},
    {"emarsys": "Notes", "as": "notes"},
    # Text fields may hold anything; Emarsys refuses what does not fit the others.
    {"emarsys": "CITY", "as": "amount"},
    {"emarsys": "State", "as": "pieces"},
    {"emarsys": 13, "as": "day"},
]
TYPES = {
    **{str(item["as"]): "varchar" for item in FIELDS},
    "born_on": "date",
    "points": "double",
    "old_points": "bigint",
    "tier_id": "bigint",
    "colours": "varchar[]",
    "amount": "double",
    "pieces": "bigint",
    "day": "date",
}
EMPTIED = ["1", "4", "11", "12", "13", "46", "10231", "10240", "10250", "10251", "10270"]
VALUES = (
    "select contact_id, first_name, born_on, points, old_points, salutation, tier_id, colours,"
    " notes, amount, pieces, day from mapped_contacts where list_contains($ids, contact_id)"
    " order by contact_id"
)
REJECTED = (
    "select contact_id, property, field_id, raw_value, reason from rejected_values"
    " where list_contains($ids, contact_id) and property not in ('email', 'mobile') order by all"
)
Row = tuple[Any, ...]


@pytest.mark.parametrize("has_user_id", [False, True], ids=["without user_id", "with user_id"])
def test_each_kind_of_field_arrives_in_its_type_and_misfits_with_their_reason(
    sandbox: Sandbox, importer: Importer, *, has_user_id: bool
) -> None:
    sandbox.switch(user_id_in_segment_exports=has_user_id)
    good, bad, none = members_of(importer.client, CUSTOMERS)[:3]
    text = 'Says "hi", twice;\nand leaves'
    sandbox.import_silently(
        {
            good: {
                "1": "Mina",
                "4": "1990-02-28",
                "10250": "12.50",
                "10251": "7",
                "46": "2",
                "10240": "20",
                "10270": text,
                "11": "0.5",
                "12": "-3",
                "13": "2024-02-29",
            },
            bad: {
                "1": "Noor",
                "11": "many",
                "12": "7.5",
                "13": "30.02.1990",
                "4": "",
                "10250": "",
                "10251": "",
                "46": "1",
                "10240": "10",
                "10270": "",
            },
            none: dict.fromkeys(EMPTIED, ""),
        }
    )
    chosen = {good: ["7", "1"], bad: ["4"]}
    importer.client.update_contacts(
        [{"id": each, "10231": choices} for each, choices in chosen.items()], key_field="id"
    )
    account = make_account(fields=FIELDS, segments=[CUSTOMERS])
    members = landed(importer(0, (CUSTOMERS,), account=account)[CUSTOMERS]).members

    mapped = map_segment(
        importer.warehouse, account, CUSTOMERS, window(0), property_types=TYPES, run_id="run"
    )

    assert (mapped.read, mapped.new) == (members, members)
    leap_day, nothing = date(2024, 2, 29), [None] * 3
    expected: list[Row] = [
        (
            good,
            "Mina",
            date(1990, 2, 28),
            12.5,
            7,
            "Ms.",
            20,
            ["Red", "Blue"],
            text,
            0.5,
            -3,
            leap_day,
        ),
        (bad, "Noor", None, None, None, "Mr.", 10, ["Green"], None, *nothing),
        (none, *[None] * 8, *nothing),
    ]
    ids = [good, bad, none]
    assert table(importer.warehouse, VALUES, ids=ids) == sorted(expected)
    assert table(importer.warehouse, REJECTED, ids=ids) == [
        (bad, "amount", "11", "many", "not_a_number"),
        (bad, "day", "13", "30.02.1990", "not_a_date"),
        (bad, "pieces", "12", "7.5", "not_a_whole_number"),
    ]
    types = (
        "select column_name, data_type from duckdb_columns() where table_name = 'mapped_contacts'"
        " and list_contains($names, column_name) order by 1"
    )
    typed = {"born_on": "DATE", "points": "DOUBLE", "old_points": "BIGINT", "tier_id": "BIGINT"}
    typed |= {"colours": "VARCHAR[]", "salutation": "VARCHAR"}
    assert dict(table(importer.warehouse, types, names=list(typed))) == typed


def test_a_name_that_two_fields_have_is_refused_with_their_ids(importer: Importer) -> None:
    account = make_account(fields=[*FIELDS[1:3], {"emarsys": "Loyalty points", "as": "points"}])
    refused = importer(0, (CUSTOMERS,), account=account)[CUSTOMERS]
    assert isinstance(refused, UnknownFieldError)
    assert str(refused) == (
        'account shop has 2 fields named "Loyalty points": 10250, 10251. Write the id of the right '
        "one in the settings; until then the last imported values are kept"
    )


def test_a_renamed_field_is_named_its_values_stay_and_its_id_goes_on(warehouse: Warehouse) -> None:
    """The mapping names it by its name; the export of the next window shows another one."""
    identifier = {"emarsys": 3, "as": "email", "identifier": "email"}
    by_name = make_account(fields=[identifier, {"emarsys": "Points", "as": "points"}])
    by_id = make_account(fields=[identifier, {"emarsys": 900, "as": "points"}])
    types = {"email": "varchar", "points": "double"}
    row = {"contact_id": "1", "3": "a@example.org", "900": "1"}
    for number in range(2):
        put_catalogue(warehouse, number)
        put_raw(warehouse, [{**row, "900": str(number + 1)}], number)
    with warehouse.write() as connection:
        connection.execute(
            "update emarsys_fields set name = 'Loyalty', string_id = 'loyalty'"
            " where field_id = '900' and window_start = ?",
            [window(1).start],
        )
    held = "select points from current_contacts"
    map_segment(warehouse, by_name, SEGMENT, window(0), property_types=types, run_id="run")
    with pytest.raises(UnknownFieldError, match='no field with the id, string id or name "Points"'):
        map_segment(warehouse, by_name, SEGMENT, window(1), property_types=types, run_id="run")
    assert table(warehouse, held) == [(1.0,)]
    changed = map_segment(warehouse, by_id, SEGMENT, window(1), property_types=types, run_id="run")
    assert changed.top_changed_fields == {"points": 1}
    assert table(warehouse, held) == [(2.0,)]


@pytest.mark.parametrize(
    ("written", "double", "bigint"),
    [
        ("7", 7.0, 7),
        (" 7 ", 7.0, 7),
        ("-7.0", -7.0, -7),
        ("7.5", 7.5, None),
        (".5", 0.5, None),
        ("1e3", 1000.0, None),
        ("1_000", None, None),
        ("0x10", None, None),
        ("12,5", None, None),
        ("nan", None, None),
        ("1e999", None, None),
        ("9223372036854775808", 9223372036854775808.0, None),
    ],
)
def test_a_number_is_what_people_write_as_one(
    warehouse: Warehouse, written: str, double: float | None, bigint: int | None
) -> None:
    put_catalogue(warehouse)
    put_raw(warehouse, [{"contact_id": "1", "3": "a@example.org", "900": written, "1": written}])
    account = make_account(
        fields=[
            {"emarsys": 3, "as": "email", "identifier": "email"},
            {"emarsys": 900, "as": "points"},
            {"emarsys": 1, "as": "whole"},
        ]
    )
    types = {"email": "varchar", "points": "double", "whole": "bigint"}
    mapped = map_segment(warehouse, account, SEGMENT, window(0), property_types=types, run_id="run")
    assert table(warehouse, "select points, whole from mapped_contacts") == [(double, bigint)]
    assert mapped.rejected_values == (double is None) + (bigint is None)
