"""Imports over the wire: what lands, what is refused, and what a failure leaves behind."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emarsys_pipeline.emarsys import EmarsysClient, RetrySettings, WsseCredentials, errors
from emarsys_pipeline.sandbox.process import Sandbox, running_sandbox
from emarsys_pipeline.settings import AccountSettings, ImportSettings
from emarsys_pipeline.stages.mapped_contacts import map_segment
from emarsys_pipeline.stages.raw_segment_exports import (
    SegmentImported,
    SuspiciousDeliveryError,
    TooManyContactsError,
    UnknownFieldError,
    UnknownSegmentError,
    WrongDeliveryError,
    import_account,
    resolve_segments,
)
from emarsys_pipeline.warehouse import Warehouse
from emarsys_pipeline_tests.stages.landed_rows import make_account, table, window

READERS, CUSTOMERS, EMPTY, SINGLE = "100400101", "100400102", "100400103", "100400104"
LARGEST_ALLOWED, TOO_LARGE = "100400108", "100400109"
QUICK = ImportSettings(export_poll_seconds=0.05, reconcile_every_days=1)
FIELDS = [
    {"emarsys": 1, "as": "first_name"},
    {"emarsys": "email", "as": "email", "identifier": "email"},
    {"emarsys": "Mobile", "as": "mobile", "identifier": "phone"},
    {"emarsys": 46, "as": "salutation"},
    {"emarsys": 10231, "as": "colours"},
]
ACCOUNT = make_account(
    fields=FIELDS, segments=[READERS, CUSTOMERS], opt_in={"field": "WhatsApp opt-in"}
)
RAW = (
    "select segment_id, contact_id, kind, field_1, field_3, field_14, field_37, field_46,"
    " field_10231, field_10500 from raw_segment_exports order by window_start, segment_id,"
    " contact_id"
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox(contacts=120, seed=3) as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[EmarsysClient]:
    credentials = WsseCredentials(sandbox.username, sandbox.secret)
    quick = RetrySettings(total_seconds=2, wait_factor=0.01)
    with EmarsysClient(credentials, base_url=sandbox.url, retries=quick) as opened:
        yield opened
    sandbox.clear_faults()
    sandbox.set_permissions(on=["segment.contact.count", "export.contact.changed"])
    sandbox.switch(user_id_in_segment_exports=False)


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    made = Warehouse(tmp_path / "warehouse", publish_interval_seconds=3600)
    made.migrate()
    return made


class Importer:
    """Imports windows of one account into one warehouse."""

    def __init__(self, warehouse: Warehouse, client: EmarsysClient, downloads: Path) -> None:
        self.warehouse = warehouse
        self.client = client
        self.downloads = downloads

    def __call__(
        self,
        number: int = 0,
        segments: tuple[str, ...] = (READERS, CUSTOMERS),
        *,
        account: AccountSettings = ACCOUNT,
        **limits: Any,
    ) -> dict[str, SegmentImported | Exception]:
        outcomes = import_account(
            self.warehouse,
            self.client,
            account,
            segments,
            window(number),
            imports=QUICK.model_copy(update=limits),
            downloads=self.downloads,
            run_id="run",
        )
        assert not self.downloads.exists() or list(self.downloads.iterdir()) == []
        return outcomes

    def map(self, number: int, segments: tuple[str, ...] = (READERS, CUSTOMERS)) -> None:
        for segment_id in segments:
            map_segment(
                self.warehouse,
                ACCOUNT,
                segment_id,
                window(number),
                property_types={item.property: "varchar" for item in ACCOUNT.fields},
                run_id="run",
            )


@pytest.fixture
def importer(warehouse: Warehouse, client: EmarsysClient, tmp_path: Path) -> Importer:
    return Importer(warehouse, client, tmp_path / "downloads")


def landed(outcome: SegmentImported | Exception) -> SegmentImported:
    assert isinstance(outcome, SegmentImported), outcome
    return outcome


def members_of(client: EmarsysClient, segment_id: str) -> list[str]:
    return sorted(each for page in client.segment_contact_ids(segment_id) for each in page)


def expected_rows(client: EmarsysClient, segment_id: str) -> list[tuple[Any, ...]]:
    """A full import of a segment, by getdata alone, with labels where exports write them."""
    fields = ["1", "3", "14", "37", "46", "10231", "10500"]
    labels = {
        field_id: {choice.id: choice.label for choice in choices}
        for field_id, choices in client.list_choices(["14", "46"]).items()
    }
    rows = []
    for contact in client.get_contacts(members_of(client, segment_id), fields=fields).contacts:
        values = [contact.get(name) for name in fields]
        texts = [",".join(value) if isinstance(value, list) else value for value in values]
        texts[2] = labels["14"].get(str(texts[2]))
        texts[4] = labels["46"].get(str(texts[4]))
        rows.append((segment_id, contact["id"], "member", *texts))
    return sorted(rows)


LABELLED = (
    "select raw.segment_id, raw.contact_id, raw.kind, field_1, field_3, coalesce(country.label,"
    " field_14), field_37, coalesce(salutation.label, field_46), field_10231, field_10500"
    " from raw_segment_exports as raw"
    " left join emarsys_choices as country on country.field_id = '14'"
    " and country.choice_id = field_14 and dialect = 'ids'"
    " left join emarsys_choices as salutation on salutation.field_id = '46'"
    " and salutation.choice_id = field_46 and dialect = 'ids' order by all"
)


@pytest.mark.parametrize("has_user_id", [False, True], ids=["without user_id", "with user_id"])
def test_a_first_window_lands_every_member_with_its_values(
    sandbox: Sandbox, importer: Importer, *, has_user_id: bool
) -> None:
    sandbox.switch(user_id_in_segment_exports=has_user_id)
    outcomes = importer()
    rows = [*expected_rows(importer.client, READERS), *expected_rows(importer.client, CUSTOMERS)]
    assert table(importer.warehouse, LABELLED) == rows
    readers = landed(outcomes[READERS])
    count = len(members_of(importer.client, READERS))
    assert (readers.mode, readers.members, readers.rows_delivered) == ("full", count, count)
    assert (readers.entered, readers.departed, readers.changed) == (count, 0, 0)
    from_the_export = "select count_if(dialect = 'labels') > count(*) / 2 from raw_segment_exports"
    assert table(importer.warehouse, from_the_export) == [(True,)]


def test_a_second_run_fetches_nothing_and_changes_nothing(importer: Importer) -> None:
    first = importer()
    rows, calls = table(importer.warehouse, RAW), importer.client.calls
    again = importer()
    assert importer.client.calls == calls
    assert table(importer.warehouse, RAW) == rows
    assert again == {
        segment_id: dataclasses.replace(landed(outcome), already_landed=True)
        for segment_id, outcome in first.items()
    }


def test_days_of_changes_and_a_reconciliation_equal_a_fresh_full_import(
    sandbox: Sandbox, importer: Importer, tmp_path: Path
) -> None:
    for number in range(3):
        modes = {landed(outcome).mode for outcome in importer(number).values()}
        assert modes == {"changes" if number == 1 else "full"}
        importer.map(number)
        if number < 2:
            sandbox.advance("2d")
    fresh = Importer(
        Warehouse(tmp_path / "fresh", publish_interval_seconds=3600),
        importer.client,
        tmp_path / "downloads",
    )
    fresh.warehouse.migrate()
    fresh(2)
    fresh.map(2)
    current = (
        "select contact_id, first_name, email, mobile, salutation, colours, phone_numbers,"
        " email_addresses from current_contacts where is_member order by contact_id"
    )
    assert table(importer.warehouse, current) == table(fresh.warehouse, current)
    operations = (
        "select distinct operation from mapped_contacts where window_start > $start order by 1"
    )
    assert table(importer.warehouse, operations, start=window(0).start) == [
        ("changed",),
        ("left",),
        ("new",),
    ]
    assert table(
        importer.warehouse,
        "select kind, state, count(*) from export_intents group by all order by 1",
    ) == [("changes", "downloaded", 1), ("segment", "downloaded", 4)]


def test_without_the_permission_for_changes_the_import_is_full(
    sandbox: Sandbox, importer: Importer
) -> None:
    sandbox.set_permissions(off=["export.contact.changed"])
    importer(0, (SINGLE,))
    assert landed(importer(1, (SINGLE,))[SINGLE]).mode == "full"


def test_changes_that_were_delivered_wrong_are_replaced_by_a_full_import(
    sandbox: Sandbox, importer: Importer
) -> None:
    importer(0, (CUSTOMERS,))
    sandbox.set_fault("extra_csv_column", "GET export/{id}/data")
    outcome = landed(importer(1, (CUSTOMERS,))[CUSTOMERS])
    assert (outcome.mode, outcome.entered, outcome.departed) == ("full", 0, 0)
    assert [rule["met"] for rule in sandbox.faults()] == [1]


def test_a_window_before_a_landed_one_is_superseded(importer: Importer) -> None:
    importer(1, (SINGLE,))
    calls = importer.client.calls
    outcome = landed(importer(0, (SINGLE,))[SINGLE])
    assert (outcome.mode, outcome.members, outcome.rows_delivered) == ("superseded", 0, 0)
    assert importer.client.calls - calls <= 2  # fields and choices
    assert landed(importer(2, (SINGLE,))[SINGLE]).mode == "changes"


def spoil_exports(sandbox: Sandbox, fault: str) -> None:
    endpoint = "GET export/{id}" if fault == "export_error" else "GET export/{id}/data"
    sandbox.set_fault(fault, endpoint, times=None, segment=CUSTOMERS)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("truncated_csv", errors.IncompleteExportError),
        ("truncated_csv_in_quotes", errors.IncompleteExportError),
        ("truncated_csv_at_record", SuspiciousDeliveryError),
        ("header_only_csv", SuspiciousDeliveryError),
        ("empty_csv", errors.IncompleteExportError),
        ("duplicated_csv_rows", SuspiciousDeliveryError),
        ("repeated_csv_header", WrongDeliveryError),
        ("extra_csv_column", WrongDeliveryError),
        ("export_error", errors.ExportFailedError),
        ("export_expired", errors.ExportFailedError),
    ],
)
def test_a_wrong_delivery_lands_nothing_and_the_other_segment_lands(
    sandbox: Sandbox, importer: Importer, fault: str, error: type[Exception]
) -> None:
    spoil_exports(sandbox, fault)
    outcome = importer(0, (SINGLE, CUSTOMERS))
    assert sum(rule["met"] for rule in sandbox.faults()) > 0
    sandbox.clear_faults()
    assert isinstance(outcome[CUSTOMERS], error), outcome[CUSTOMERS]
    assert landed(outcome[SINGLE]).members == 1
    landed_segments = "select distinct segment_id from {} order by 1"
    for name in ("raw_segment_exports", "segment_imports"):
        assert table(importer.warehouse, landed_segments.format(name)) == [(SINGLE,)]
    assert landed(importer(0, (SINGLE, CUSTOMERS))[CUSTOMERS]).mode == "full"
    assert table(
        importer.warehouse,
        "select count(*) from raw_segment_exports where segment_id = $segment_id",
        segment_id=CUSTOMERS,
    ) == [(len(members_of(importer.client, CUSTOMERS)),)]


@pytest.mark.parametrize("fault", ["byte_order_mark", "lf_line_ends", "shuffled_csv_rows"])
def test_a_harmless_difference_of_the_file_changes_nothing(
    sandbox: Sandbox, importer: Importer, fault: str
) -> None:
    spoil_exports(sandbox, fault)
    landed(importer(0, (CUSTOMERS,))[CUSTOMERS])
    assert sum(rule["met"] for rule in sandbox.faults()) > 0
    assert table(importer.warehouse, LABELLED) == expected_rows(importer.client, CUSTOMERS)


def test_a_segment_above_the_limit_is_refused_before_anything_is_exported(
    sandbox: Sandbox, importer: Importer
) -> None:
    limit = len(members_of(importer.client, CUSTOMERS))
    refused = importer(0, (CUSTOMERS,), max_contacts_per_segment=limit - 1)[CUSTOMERS]
    assert isinstance(refused, TooManyContactsError)
    assert f"has {limit} contacts, and the limit is {limit - 1}" in str(refused)
    sandbox.set_permissions(off=["segment.contact.count"])
    listed = importer(0, (CUSTOMERS,), max_contacts_per_segment=limit - 1)[CUSTOMERS]
    assert isinstance(listed, TooManyContactsError)
    assert table(importer.warehouse, "select count(*) from export_intents") == [(0,)]
    landed(importer(0, (CUSTOMERS,), max_contacts_per_segment=limit)[CUSTOMERS])


def test_an_empty_or_shrunken_segment_stops_unless_the_operator_says_so(
    sandbox: Sandbox, importer: Importer
) -> None:
    assert isinstance(importer(0, (EMPTY,))[EMPTY], SuspiciousDeliveryError)
    members = members_of(importer.client, CUSTOMERS)
    importer(0, (CUSTOMERS,))
    gone = members[: len(members) // 2 + 1]
    sandbox.move_members(CUSTOMERS, remove=gone)
    try:
        refused = importer(1, (CUSTOMERS,))[CUSTOMERS]
        assert isinstance(refused, SuspiciousDeliveryError)
        assert "imports.shrink_tolerance" in refused.remedy
        taken = landed(importer(1, (CUSTOMERS,), shrink_tolerance=0.1)[CUSTOMERS])
        assert (taken.mode, taken.departed) == ("changes", len(gone))
    finally:
        sandbox.move_members(CUSTOMERS, add=gone)


def test_a_vanished_field_is_named_and_stops_the_account(
    sandbox: Sandbox, importer: Importer
) -> None:
    importer(0, (SINGLE,))
    sandbox.set_fault("missing_fields", field_ids=[37])
    outcomes = importer(1, (SINGLE, CUSTOMERS))
    assert [type(outcome) for outcome in outcomes.values()] == [UnknownFieldError] * 2
    assert '"Mobile"' in str(outcomes[SINGLE])
    assert "the last imported values are kept" in str(outcomes[SINGLE])


def test_twenty_fields_beside_country_and_opt_in_are_all_fetched(
    importer: Importer,
) -> None:
    ids = [1, 2, 3, 10, 11, 12, 13, 15, 18, 25, 37, 38, 41, 42, 43, 44, 46, 21, 16, 22]
    fields = [
        {"emarsys": each, "as": f"p{each}", **({"identifier": "email"} if each == 3 else {})}
        for each in ids
    ]
    account = make_account(fields=fields, opt_in={"field": "WhatsApp opt-in"})
    landed(importer(0, (READERS,), account=account)[READERS])
    columns = ["1", "2", "3", "11", "37", "10500"]
    found = importer.client.get_contacts(members_of(importer.client, READERS), fields=columns)
    assert table(
        importer.warehouse,
        "select contact_id, field_1, field_2, field_3, field_11, field_37, field_10500"
        " from raw_segment_exports order by contact_id",
    ) == sorted(
        (contact["id"], *(contact.get(name) for name in columns)) for contact in found.contacts
    )


def test_an_intent_left_open_is_reported_and_replaced_once(
    importer: Importer, caplog: pytest.LogCaptureFixture
) -> None:
    with importer.warehouse.write() as connection:
        connection.execute(
            "insert into export_intents values ('shop', ?, 'lost', 'segment', ?, 'intended', null,"
            " now(), null, null, 'killed')",
            [window(0).start, SINGLE],
        )
    landed(importer(0, (SINGLE,))[SINGLE])
    assert table(
        importer.warehouse,
        "select state, export_id is null, run_id from export_intents order by run_id",
    ) == [("abandoned", True, "killed"), ("downloaded", False, "run")]
    assert "left open by an earlier run" in caplog.text


def test_an_equal_export_that_is_still_running_is_waited_for(
    sandbox: Sandbox, importer: Importer
) -> None:
    """A run that was killed before it noted the id cannot ask for that export's state."""
    sandbox.set_fault(
        *("refused", "POST export/filter"),
        times=2,
        reply_code=4001,
        reply_text="An export with the same setting is currently running.",
    )
    assert landed(importer(0, (SINGLE,))[SINGLE]).members == 1
    assert [rule["met"] for rule in sandbox.faults()] == [2]
    assert table(importer.warehouse, "select state from export_intents") == [("downloaded",)]


def test_an_export_without_an_answer_leaves_its_intent_open(
    sandbox: Sandbox, importer: Importer
) -> None:
    sandbox.set_fault("commit_then_drop", "POST export/filter", times=None)
    assert isinstance(importer(0, (SINGLE,))[SINGLE], errors.NoReplyError)
    states = "select state from export_intents order by intended_at"
    assert table(importer.warehouse, states) == [("intended",)]
    sandbox.clear_faults()
    assert landed(importer(0, (SINGLE,))[SINGLE]).members == 1
    assert table(importer.warehouse, states) == [("abandoned",), ("downloaded",)]


def test_segments_are_found_by_id_and_by_name(client: EmarsysClient) -> None:
    account = make_account(segments=[{"name": "VIP customers"}, READERS, 999])
    assert resolve_segments(client, account) == {
        CUSTOMERS: "VIP customers",
        READERS: "Newsletter readers",
        "999": "999",
    }
    with pytest.raises(UnknownSegmentError, match='no segment named "VIP"'):
        resolve_segments(client, make_account(segments=[{"name": "VIP"}]))
