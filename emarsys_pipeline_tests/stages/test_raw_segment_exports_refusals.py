"""What is not taken: wrong deliveries, too many contacts, too few, and vanished fields."""

import pytest

from emarsys_pipeline.emarsys import errors
from emarsys_pipeline.sandbox.process import Sandbox
from emarsys_pipeline.stages.raw_segment_exports import (
    SuspiciousDeliveryError,
    TooManyContactsError,
    UnknownFieldError,
    WrongDeliveryError,
)
from emarsys_pipeline_tests.stages.importing import (
    CUSTOMERS,
    EMPTY,
    LABELLED,
    SINGLE,
    Importer,
    expected_rows,
    landed,
    members_of,
)
from emarsys_pipeline_tests.stages.landed_rows import table


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
