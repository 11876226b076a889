"""A window on its way from Emarsys and back, with the real stages and the sandbox."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from emarsys_pipeline.defs.build import build_definitions
from emarsys_pipeline.defs.partitions import import_range_tags, multi_key
from emarsys_pipeline.inbox import Inbox, parse_message
from emarsys_pipeline.sandbox.process import Sandbox, running_sandbox
from emarsys_pipeline.settings import Settings
from emarsys_pipeline_tests.defs.conftest import MakeSettings
from emarsys_pipeline_tests.defs.running import failure_of, run_assets, run_job

NEWSLETTER, VIP = "shop_de-100400101", "shop_de-100400102"
OPT_IN_FIELD = "10500"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox(contacts=300) as running:
        yield running


@pytest.fixture
def settings(
    make_settings: MakeSettings, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    monkeypatch.setenv("TEST_EMARSYS_USERNAME", sandbox.username)
    monkeypatch.setenv("TEST_EMARSYS_SECRET", sandbox.secret)
    start = (datetime.now(UTC) - timedelta(days=2)).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    return make_settings(
        account={"base_url": sandbox.url, "segments": [100400101, 100400102]},
        windows={"start": start},
        imports={"export_poll_seconds": 0.05},
        publish={"min_interval_seconds": 0},
    )


def _check(result: dg.ExecuteInProcessResult, name: str) -> tuple[bool, Any]:
    (evaluation,) = [
        each for each in result.get_asset_check_evaluations() if each.check_name == name
    ]
    return evaluation.passed, evaluation.metadata["missing"].value


def _summary(result: dg.ExecuteInProcessResult, asset: str) -> str:
    (event,) = result.asset_materializations_for_node(asset)
    return str(event.metadata["summary"].value).splitlines()[0]


def _receive(settings: Settings, sandbox: Sandbox) -> None:
    """Put contacts and grants of the messaging side into the inbox."""
    contacts = [parse_message("contact", row) for row in sandbox.platform_contacts()]
    decisions = [parse_message("consent", row) for row in sandbox.decide("granted", count=20)]
    with Inbox(settings.inbox_path) as inbox:
        inbox.put(contacts, source="file")
        inbox.put(decisions, source="webhook")


def test_a_window_goes_its_whole_way_around_a_segment_that_fails_first(
    settings: Settings, sandbox: Sandbox, instance: dg.DagsterInstance
) -> None:
    definitions = build_definitions(settings)
    grid = settings.windows.grid
    window = grid.newest_closed(datetime.now(UTC))
    assert window is not None
    instance.add_dynamic_partitions("emarsys_segment", [NEWSLETTER, VIP])
    sandbox.set_fault("forbidden", segment="100400102", times=None)

    first = run_job(
        definitions,
        instance,
        "segment_import",
        tags=import_range_tags([NEWSLETTER, VIP], window),
    )

    failed = multi_key(VIP, window.key)
    assert failed in failure_of(first, "import_segments")
    assert list(instance.get_materialized_partitions(dg.AssetKey("mapped_contacts"))) == [
        multi_key(NEWSLETTER, window.key)
    ]
    stitched = run_assets(definitions, instance, ["stitched_identities"], window.key)
    assert stitched.success
    assert _check(stitched, "every_segment_landed") == (False, [failed])

    sandbox.clear_faults()
    again = run_job(definitions, instance, "segment_import", partition=failed)
    assert again.success
    stitched = run_assets(definitions, instance, ["stitched_identities"], window.key)
    assert _check(stitched, "every_segment_landed") == (True, [])

    before = sandbox.field_values(OPT_IN_FIELD)
    _receive(settings, sandbox)
    opened = grid.at(datetime.now(UTC)).key
    pushed = run_job(definitions, instance, "opt_in_sync", partition=opened)
    assert pushed.success
    held = sandbox.field_values(OPT_IN_FIELD)
    assert {held[each] for each in held if held[each] != before[each]} == {"granted"}

    repeated = run_job(definitions, instance, "opt_in_sync", partition=opened)
    assert {
        asset: _summary(repeated, asset)
        for asset in ("platform_contacts", "consent_events", "opt_in_deltas", "opt_in_pushes")
    } == {
        "platform_contacts": (
            "Nothing to do: every message received in this window had been taken in before."
        ),
        "consent_events": (
            "Nothing to do: every message received in this window had been taken in before."
        ),
        "opt_in_deltas": (
            "Nothing to do: Emarsys shows every known decision, or it is on its way already."
        ),
        "opt_in_pushes": "Nothing to do: no opt-in value was due.",
    }
    assert sandbox.field_values(OPT_IN_FIELD) == held
