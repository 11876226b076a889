"""Imports over the wire: what lands, and what a second run does."""

import dataclasses
from pathlib import Path

import pytest

from emarsys_pipeline.emarsys import EmarsysClient, errors
from emarsys_pipeline.sandbox.process import Sandbox
from emarsys_pipeline.stages.raw_segment_exports import UnknownSegmentError, resolve_segments
from emarsys_pipeline_tests.stages.importing import (
    COMBINED,
    CUSTOMERS,
    LABELLED,
    RAW,
    READERS,
    SINGLE,
    Importer,
    expected_rows,
    landed,
    members_of,
)
from emarsys_pipeline_tests.stages.landed_rows import make_account, table, window
from emarsys_pipeline_tests.warehouses import Warehouse


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
        segment_id: dataclasses.replace(
            landed(outcome),
            already_landed=True,
            counted=None,
            shared_api_calls=0,
            shared_bytes_downloaded=0,
        )
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


@pytest.mark.parametrize("has_user_id", [False, True], ids=["without user_id", "with user_id"])
def test_twenty_fields_beside_country_and_opt_in_are_all_fetched(
    sandbox: Sandbox, importer: Importer, *, has_user_id: bool
) -> None:
    sandbox.switch(user_id_in_segment_exports=has_user_id)
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


def test_a_combined_segment_is_imported_like_a_plain_one(importer: Importer) -> None:
    outcome = landed(importer(0, (COMBINED,))[COMBINED])
    both = set(members_of(importer.client, READERS)) | set(members_of(importer.client, CUSTOMERS))
    assert (outcome.mode, outcome.members) == ("full", len(both))
    assert table(importer.warehouse, LABELLED) == expected_rows(importer.client, COMBINED)
    assert landed(importer(1, (COMBINED,), reconcile_every_days=7)[COMBINED]).mode == "changes"


def test_segments_are_found_by_id_and_by_name(client: EmarsysClient) -> None:
    named = [{"name": "VIP customers"}, READERS, {"name": "Newsletter or VIP"}, 999]
    assert resolve_segments(client, make_account(segments=named)) == {
        CUSTOMERS: "VIP customers",
        READERS: "Newsletter readers",
        COMBINED: "Newsletter or VIP",
        "999": "999",
    }
    with pytest.raises(UnknownSegmentError, match='no segment named "VIP"'):
        resolve_segments(client, make_account(segments=[{"name": "VIP"}]))
