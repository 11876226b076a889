"""Between reconciliations, exactly what Emarsys does not report is missing: the sandbox knows."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from emarsys_pipeline.sandbox.process import Sandbox, running_sandbox
from emarsys_pipeline.stages.mapped_contacts import map_segment
from emarsys_pipeline_tests.stages.importing import CUSTOMERS, READERS, Importer, landed
from emarsys_pipeline_tests.stages.landed_rows import make_account, table, window
from emarsys_pipeline_tests.warehouses import Warehouse

ACCOUNT = make_account(
    fields=[
        {"emarsys": 3, "as": "email", "identifier": "email"},
        {"emarsys": 37, "as": "mobile", "identifier": "phone"},
        {"emarsys": 1, "as": "first_name"},
        {"emarsys": 2, "as": "last_name"},
        {"emarsys": 13, "as": "zip"},
    ],
    segments=[READERS, CUSTOMERS],
)
SEGMENTS = (READERS, CUSTOMERS)
NEWEST = (
    "select segment_id, contact_id, email, mobile, first_name, last_name, zip, phone_numbers,"
    " email_addresses from mapped_contacts"
    " qualify row_number() over (partition by segment_id, contact_id order by window_start desc)"
    " = 1 and operation <> 'left'"
)


@pytest.fixture(scope="module")
def sandbox(engine: str) -> Iterator[Sandbox]:  # noqa: ARG001
    """An account that no other test has changed, nor the same with another engine."""
    with running_sandbox(contacts=120, seed=3) as running:
        yield running


def land(importer: Importer, number: int) -> set[str]:
    """Import and map a window; returns how the segments were imported."""
    outcomes = importer(number, SEGMENTS, account=ACCOUNT)
    types = {each.property: "varchar" for each in ACCOUNT.fields}
    for segment_id in SEGMENTS:
        map_segment(
            importer.warehouse,
            ACCOUNT,
            segment_id,
            window(number),
            property_types=types,
            run_id="run",
        )
    return {landed(outcome).mode for outcome in outcomes.values()}


def differences(importer: Importer, number: int, directory: Path) -> set[tuple[str, str]]:
    """Segments and contacts whose rows are not those of a fresh full import."""
    fresh = Importer(
        Warehouse(directory, publish_interval_seconds=3600), importer.client, importer.downloads
    )
    fresh.warehouse.migrate()
    assert land(fresh, number) == {"full"}
    ours, theirs = (
        {row[:2]: row[2:] for row in table(each.warehouse, NEWEST)} for each in (importer, fresh)
    )
    assert ours.keys() == theirs.keys()
    return {key for key in ours if ours[key] != theirs[key]}


def test_only_what_data_imports_wrote_is_missing_until_the_reconciliation(
    importer: Importer, sandbox: Sandbox, tmp_path: Path
) -> None:
    assert land(importer, 0) == {"full"}
    before = {row[:2] for row in table(importer.warehouse, NEWEST)}
    sources = ("import", "advance", "api")
    logs = {source: sandbox.log(source=source) for source in sources}
    start = max((each["sequence"] for log in logs.values() for each in log), default=0)
    sandbox.advance("2d")
    members = sorted({contact_id for _, contact_id in before})
    sandbox.import_silently({each: {"1": f"Given {each}"} for each in members[::4]})
    sandbox.import_silently({each: {"11": "an unmapped field"} for each in members[1::4]})
    assert land(importer, 1) == {"changes"}

    mapped = {"1", "2", "3", "13", "37"}
    writes = {source: sandbox.log(source=source, after=start) for source in sources}
    imported = {each["contact_id"] for each in writes["import"] if each["field_id"] in mapped}
    reported = {each["contact_id"] for each in (*writes["advance"], *writes["api"])}
    hidden = imported - reported
    still = {row[:2] for row in table(importer.warehouse, NEWEST)}
    expected = {key for key in before & still if key[1] in hidden}
    assert len(expected) > 10
    assert reported & imported
    assert differences(importer, 1, tmp_path / "fresh") == expected

    assert land(importer, 2) == {"full"}
    assert differences(importer, 2, tmp_path / "reconciled") == set()
    found = table(
        importer.warehouse,
        "select segment_id, contact_id from mapped_contacts"
        " where window_start = $start and operation = 'changed'",
        start=window(2).start,
    )
    assert set(found) == expected
