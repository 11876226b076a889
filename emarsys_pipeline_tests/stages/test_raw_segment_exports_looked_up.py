"""Fields beyond an export come by getdata, and the two answers are compared."""

import random
from pathlib import Path
from typing import Any

import pytest

from emarsys_pipeline.clock import utc_now
from emarsys_pipeline.emarsys import DownloadedExport
from emarsys_pipeline.settings import AccountSettings, ImportSettings
from emarsys_pipeline.stages.raw_segment_exports import (
    SegmentImported,
    WrongDeliveryError,
    import_account,
)
from emarsys_pipeline.stages.raw_segment_exports.fields import EmarsysField, plan_fields
from emarsys_pipeline_tests.stages.histories import make_history_account, random_contact
from emarsys_pipeline_tests.stages.landed_rows import make_account, table, window
from emarsys_pipeline_tests.stages.memory_account import MemoryAccount
from emarsys_pipeline_tests.warehouses import Warehouse

CONTACTS = 60
ROWS = (
    "select contact_id, field_1, field_3, field_37, field_901 from raw_segment_exports"
    " where window_start = $start order by contact_id::int"
)


class HastyAccount(MemoryAccount):
    """An account whose contacts are edited right after each export, or exported as others."""

    def __init__(self) -> None:
        super().__init__(has_user_id=True)
        source = random.Random(5)  # noqa: S311  # not a secret
        self.contacts = {
            str(number): random_contact(source) | {"3": f"{number}@example.org", "901": "2"}
            for number in range(CONTACTS)
        }
        self.segments = {"100": set(self.contacts)}
        self.edits: dict[str, dict[str, str | None]] = {}
        self.shift = 0

    def download_export(self, export_id: str, path: Path) -> DownloadedExport:
        honest, ids = self.contacts, list(self.contacts)
        self.contacts = {
            each: honest[ids[(place + self.shift) % len(ids)]] for place, each in enumerate(ids)
        }
        found = super().download_export(export_id, path)
        self.contacts = honest
        for contact_id, values in self.edits.items():
            self.contacts[contact_id] |= values
        return found


def land(
    warehouse: Warehouse, emarsys: Any, folder: Path, number: int = 0
) -> SegmentImported | Exception:
    account = make_history_account("shop")
    return import_account(
        warehouse,
        emarsys,
        account,
        ["100"],
        window(number),
        imports=ImportSettings(shrink_tolerance=0),
        downloads=folder,
        run_id="run",
    )["100"]


def held(emarsys: MemoryAccount) -> list[tuple[Any, ...]]:
    return [
        (contact_id, *(contact[name] or None for name in ("1", "3", "37", "901")))
        for contact_id, contact in emarsys.contacts.items()
    ]


def test_contacts_that_changed_between_the_two_answers_are_read_whole(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    """None of them may be half of before and half of after."""
    emarsys = HastyAccount()
    emarsys.edits = {
        "3": {"3": "new@example.org", "1": "New", "901": "10"},
        "7": {"37": "0171 7654321", "901": "10,2"},
    }
    assert isinstance(land(warehouse, emarsys, tmp_path), SegmentImported)
    assert table(warehouse, ROWS, start=window(0).start) == held(emarsys)
    by_id = "select contact_id from raw_segment_exports where dialect = 'ids' order by 1"
    assert table(warehouse, by_id) == [("3",), ("7",)]

    emarsys.edits = {"5": {"3": "five@example.org", "901": "10"}}
    emarsys.contacts["5"]["1"] = emarsys.contacts["6"]["1"] = "Edited"
    emarsys.changes = [(utc_now(), "5"), (utc_now(), "6")]
    assert isinstance(land(warehouse, emarsys, tmp_path, 1), SegmentImported)
    changed = [row for row in held(emarsys) if row[0] in {"5", "6"}]
    assert table(warehouse, ROWS, start=window(1).start) == changed


def test_an_export_whose_rows_are_of_other_contacts_stops_the_import(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    emarsys = HastyAccount()
    emarsys.shift = 1
    outcome = land(warehouse, emarsys, tmp_path)
    assert isinstance(outcome, WrongDeliveryError), outcome
    assert str(outcome) == (
        "export 1 and getdata disagree on Email (3), Mobile (37) for 60 of 60 contacts of segment "
        "100, and at most 20 can have changed meanwhile. Run the import again; if it stays, show "
        "the file to Emarsys support"
    )
    assert table(warehouse, "select count(*) from raw_segment_exports") == [(0,)]


@pytest.mark.parametrize(
    ("singles", "texts", "exported", "looked_up"),
    [
        (0, 1, 4, 0),  # country and opt-in come along
        (0, 17, 20, 0),
        (0, 19, 20, 2),
        (17, 1, 20, 1),  # all choices and the identifier; text is left to getdata
        (18, 0, 20, 1),
        (19, 0, 0, 22),  # choices alone fill the export: nothing would be common
    ],
)
def test_what_is_fetched_in_two_answers_has_an_identifier_in_common(
    singles: int, texts: int, exported: int, looked_up: int
) -> None:
    single = [
        EmarsysField(field_id=str(1000 + n), name=f"s{n}", string_id=f"s{n}", application_type=kind)
        for n in range(singles)
        for kind in ["singlechoice"]
    ]
    text = [
        EmarsysField(field_id=str(2000 + n), name=f"t{n}", string_id=f"t{n}", application_type=kind)
        for n in range(texts)
        for kind in ["shorttext"]
    ]
    fixed = [
        EmarsysField(field_id="3", name="Email", string_id="email", application_type="longtext"),
        EmarsysField(field_id="14", name="Land", string_id="c", application_type="singlechoice"),
        EmarsysField(field_id="902", name="Opt-in", string_id="o", application_type="shorttext"),
    ]
    account: AccountSettings = make_account(
        fields=[
            {"emarsys": "email", "as": "email", "identifier": "email"},
            *({"emarsys": each.field_id, "as": f"p{each.field_id}"} for each in [*single, *text]),
        ],
        opt_in={"field": "902"},
    )
    plan = plan_fields(account, [*single, *text, *fixed])
    assert (len(plan.exported), len(plan.looked_up)) == (exported, looked_up)
    assert plan.identifying_ids == (("3",) if exported else ())
    assert not [field for field in plan.looked_up if field.is_single_choice and exported]
