"""What is forecast of an import is what happens then; looking changes nothing."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from emarsys_pipeline.sandbox.process import Sandbox, running_sandbox
from emarsys_pipeline.settings import AccountSettings
from emarsys_pipeline.stages.raw_segment_exports.planning import (
    AccountForecast,
    SegmentForecast,
    forecast_account,
)
from emarsys_pipeline.windows import WindowGrid
from emarsys_pipeline_tests.stages.importing import (
    ACCOUNT,
    CUSTOMERS,
    FIELDS,
    QUICK,
    READERS,
    Importer,
    landed,
    members_of,
)
from emarsys_pipeline_tests.stages.landed_rows import FIRST, make_account, table, window
from emarsys_pipeline_tests.warehouses import Warehouse

GRID = WindowGrid(FIRST, 720)
COUNTED = "segment.contact.count"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """An account that no other test has changed."""
    with running_sandbox(contacts=120, seed=3) as running:
        yield running


def forecast(
    importer: Importer, number: int, account: AccountSettings = ACCOUNT, **limits: object
) -> AccountForecast:
    """The forecast as of five minutes after a window's end."""
    return forecast_account(
        importer.warehouse,
        importer.client,
        account,
        GRID,
        imports=QUICK.model_copy(update={"reconcile_every_days": 7, **limits}),
        now=lambda: window(number).end,
    )


def by_id(forecast: AccountForecast) -> dict[str, SegmentForecast]:
    return {segment.segment_id: segment for segment in forecast.segments}


def state_of(importer: Importer) -> dict[str, str]:
    """A digest of every file, the analysts' copy among them, and when there was the last commit."""
    files = {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(Path(importer.warehouse.directory).rglob("*"))
        if path.is_file()
    }
    return {**files, "published at": str(importer.warehouse.published_at)}


@pytest.mark.parametrize("has_user_id", [False, True], ids=["without user_id", "with user_id"])
def test_what_a_first_import_a_next_one_and_a_reconciliation_cost_is_told_before(
    sandbox: Sandbox, importer: Importer, *, has_user_id: bool
) -> None:
    sandbox.switch(user_id_in_segment_exports=has_user_id)
    outside = sorted(
        set(members_of(importer.client, READERS)) - set(members_of(importer.client, CUSTOMERS))
    )
    first = forecast(importer, 0)
    calls = importer.client.calls
    outcomes = importer(0, reconcile_every_days=7)
    # Whether exports name their contacts, and how many they leave to getdata, is a guess before.
    assert 0 <= first.api_calls - (importer.client.calls - calls) <= 2
    for segment_id, expected in by_id(first).items():
        outcome = landed(outcomes[segment_id])
        assert expected.window == window(0).key
        assert (expected.mode, expected.reason) == ("full", "its first import")
        assert (expected.contacts, expected.stored) == (outcome.members, 0)
        assert (expected.new, expected.left) == (outcome.entered, 0)
        assert expected.rows == outcome.rows_delivered
        assert 0 <= expected.api_calls - outcome.api_calls <= 1
        assert 0 <= expected.minutes < 1
        assert expected.problem is None
    importer.map(0)
    importer.warehouse.publish_pending(at_once=True)

    members = members_of(importer.client, CUSTOMERS)
    sandbox.move_members(CUSTOMERS, add=outside[:3], remove=members[:2])
    landed_before = forecast(importer, 0)
    changes = forecast(importer, 1)
    outcomes = importer(1, reconcile_every_days=7)
    sandbox.move_members(CUSTOMERS, add=members[:2], remove=outside[:3])
    # The window of the first import has landed: the next one is told of.
    assert [segment.window for segment in landed_before.segments] == [window(1).key] * 2
    customers = by_id(changes)[CUSTOMERS]
    outcome = landed(outcomes[CUSTOMERS])
    assert (customers.mode, outcome.mode) == ("changes", "changes")
    assert customers.reason == "a full import follows 6.5 days later"
    assert (customers.contacts, customers.stored) == (outcome.members, len(members))
    assert (customers.new, customers.left) == (3, 2)
    assert (outcome.entered, outcome.departed) == (3, 2)
    assert (customers.api_calls, changes.shared_api_calls) == (outcome.api_calls, 5)
    assert customers.rows == outcome.rows_delivered - outcome.changed
    importer.map(1)
    importer.warehouse.publish_pending(at_once=True)

    reconciled = by_id(forecast(importer, 14))[READERS]
    assert (reconciled.mode, reconciled.window) == ("full", window(14).key)
    assert reconciled.reason == "the last full import is 7 days back"
    assert reconciled.api_calls == landed(importer(14, (READERS,))[READERS]).api_calls


def test_looking_writes_nothing_here_and_nothing_there(
    sandbox: Sandbox, importer: Importer
) -> None:
    importer(0)
    importer.map(0)
    importer.warehouse.publish_pending(at_once=True)
    before = state_of(importer), sandbox.log()
    requests = len(sandbox.requests())
    assert len(before[0]) > 1
    for number in (0, 1, 20):
        assert not forecast(importer, number).has_problem
    assert (state_of(importer), sandbox.log()) == before
    asked = sandbox.requests()[requests:]
    assert {request["method"] for request in asked} == {"GET"}
    assert not [request for request in asked if "export" in request["path"]]


def test_looking_before_anything_was_imported_creates_nothing(
    importer: Importer, tmp_path: Path
) -> None:
    importer.warehouse = Warehouse(tmp_path / "nowhere")
    assert not forecast(importer, 0).has_problem
    assert not list(tmp_path.glob("nowhere/*.duckdb"))


@pytest.mark.parametrize("may_count", [True, False], ids=["counting", "not counting"])
def test_a_segment_at_the_limit_is_taken_and_one_above_is_refused(
    sandbox: Sandbox, importer: Importer, *, may_count: bool
) -> None:
    if not may_count:
        sandbox.set_permissions(off=[COUNTED])
    limit = len(members_of(importer.client, CUSTOMERS))
    at_limit = by_id(forecast(importer, 0, max_contacts_per_segment=limit))[CUSTOMERS]
    above = by_id(forecast(importer, 0, max_contacts_per_segment=limit - 1))[CUSTOMERS]
    assert (at_limit.mode, at_limit.contacts, at_limit.problem) == ("full", limit, None)
    assert (above.mode, above.api_calls, above.rows) == ("refused", 0, 0)
    assert above.problem is not None
    assert f"has {limit:,} contacts, and the limit is {limit - 1:,}" in above.problem
    assert "Split it into smaller segments in Emarsys" in above.problem
    outcomes = importer(0, (CUSTOMERS,), max_contacts_per_segment=limit)
    assert landed(outcomes[CUSTOMERS]).members == limit
    assert isinstance(
        importer(1, (CUSTOMERS,), max_contacts_per_segment=limit - 1)[CUSTOMERS], Exception
    )
    exports = "select count(*) from export_intents where window_start = $start and kind = 'segment'"
    assert table(importer.warehouse, exports, start=window(1).start) == [(0,)]


def test_a_field_that_vanished_a_new_one_and_a_shrunken_segment_are_told(
    sandbox: Sandbox, importer: Importer
) -> None:
    importer(0)
    importer.map(0)
    importer.warehouse.publish_pending(at_once=True)
    wider = make_account(
        fields=[*FIELDS, {"emarsys": 4, "as": "born_on"}], segments=[READERS, CUSTOMERS]
    )
    fields = {field.property: field for field in forecast(importer, 1, wider).fields}
    assert {name for name, field in fields.items() if field.is_new} == {"born_on"}
    assert {name for name, field in fields.items() if field.fetched_by == "getdata"} == {"colours"}

    members = members_of(importer.client, CUSTOMERS)
    sandbox.move_members(CUSTOMERS, remove=members[: len(members) // 2 + 1])
    shrunken = by_id(forecast(importer, 1))
    sandbox.move_members(CUSTOMERS, add=members[: len(members) // 2 + 1])
    assert shrunken[READERS].mode == "changes"
    assert shrunken[CUSTOMERS].mode == "refused"
    assert "below 50% it is not taken for real" in str(shrunken[CUSTOMERS].problem)

    sandbox.set_fault("missing_fields", field_ids=[37])
    vanished = forecast(importer, 1)
    assert (vanished.segments, vanished.has_problem) == ((), True)
    assert '"Mobile"' in str(vanished.problem)
