"""One run that imports several segments, some of which fail.

The stages are replaced here, to fail where a test wants it; they have tests of their own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import dagster as dg
import pytest

from emarsys_pipeline.defs.build import build_definitions
from emarsys_pipeline.defs.emarsys_import import landing
from emarsys_pipeline.defs.partitions import import_range_tags
from emarsys_pipeline.settings import AccountSettings, Settings
from emarsys_pipeline.stages.mapped_contacts import ContactsMapped
from emarsys_pipeline.stages.raw_segment_exports import SegmentImported
from emarsys_pipeline.warehouse import Warehouse
from emarsys_pipeline.warehouse.columns import ensure_property_columns
from emarsys_pipeline.windows import Window, WindowGrid
from emarsys_pipeline_tests.defs.conftest import MakeSettings
from emarsys_pipeline_tests.defs.running import QUIET, failure_of, run_assets, run_job
from emarsys_pipeline_tests.stages.landed_rows import put_raw, table, window

SEGMENTS = ["shop_de-1", "shop_de-2", "shop_de-3"]
ASSETS = ("raw_segment_exports", "mapped_contacts")
GRID = WindowGrid(datetime(2026, 11, 1, tzinfo=UTC), 720)
WINDOW = "2026-11-02-12:00"


class QuotaError(Exception):
    remedy = "Raise the export quota of the account."
    is_retryable = False


@dataclass
class Stages:
    """Stand-ins for import_account and map_segment that note what they are asked for."""

    failing_to_import: dict[str, Exception] = field(default_factory=dict)
    failing_to_map: dict[str, Exception] = field(default_factory=dict)
    lost_rows: int = 0
    mode: str = "full"
    imported: list[tuple[str, tuple[str, ...], str]] = field(default_factory=list)
    mapped: list[tuple[str, str]] = field(default_factory=list)
    in_full: list[bool] = field(default_factory=list)

    def import_account(
        self,
        _warehouse: object,
        _client: object,
        account: AccountSettings,
        segment_ids: Sequence[str],
        window: Window,
        *,
        in_full: bool,
        **_options: object,
    ) -> dict[str, SegmentImported | Exception]:
        self.imported.append((account.name, tuple(segment_ids), window.key))
        self.in_full.append(in_full)
        mode = "full" if in_full else self.mode
        return {
            each: self.failing_to_import.get(each) or _imported(each, mode) for each in segment_ids
        }

    def map_segment(
        self,
        warehouse: Warehouse,
        _account: AccountSettings,
        segment_id: str,
        window: Window,
        *,
        property_types: Mapping[str, str],
        **_options: object,
    ) -> ContactsMapped:
        with warehouse.write() as connection:
            ensure_property_columns(connection, property_types)
        if segment_id in self.failing_to_map:
            raise self.failing_to_map[segment_id]
        self.mapped.append((segment_id, window.key))
        return ContactsMapped(
            read=10 + self.lost_rows,
            new=4,
            changed=3,
            left=2,
            unchanged=1,
            rejected_values=0,
            top_changed_fields={"email": 3},
        )


def _imported(segment_id: str, mode: str) -> SegmentImported:
    return SegmentImported(
        segment_id=segment_id,
        mode=mode,
        members=10,
        rows_delivered=10,
        entered=10,
        departed=0,
        changed=0,
        export_ids=("7",),
        api_calls=5,
        bytes_downloaded=1000,
        seconds=0.5,
        already_landed=False,
    )


@pytest.fixture
def stages(monkeypatch: pytest.MonkeyPatch) -> Stages:
    stages = Stages()
    monkeypatch.setattr(landing, "import_account", stages.import_account)
    monkeypatch.setattr(landing, "map_segment", stages.map_segment)
    return stages


@pytest.fixture
def instance(instance: dg.DagsterInstance) -> dg.DagsterInstance:
    instance.add_dynamic_partitions("emarsys_segment", SEGMENTS)
    return instance


def _run_window(
    definitions: dg.Definitions, instance: dg.DagsterInstance, segments: Sequence[str] = SEGMENTS
) -> dg.ExecuteInProcessResult:
    tags = import_range_tags(segments, GRID.parse(WINDOW))
    return run_job(definitions, instance, "segment_import", tags=tags)


def _landed(instance: dg.DagsterInstance, asset: str) -> list[str]:
    return sorted(instance.get_materialized_partitions(dg.AssetKey(asset)))


def _keys(*segments: str) -> list[str]:
    return [f"{segment}|{WINDOW}" for segment in segments]


def _checks(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    """The checks of the step; the one over the newest window depends on today."""
    return {
        evaluation.check_name: evaluation.passed
        for evaluation in result.get_asset_check_evaluations()
        if evaluation.asset_key == dg.AssetKey("mapped_contacts")
    }


ALL_PASSED = {
    "rows_accounted_for": True,
    "one_row_per_contact": True,
    "identifiers_filled": True,
    "phones_readable": True,
}


def test_one_run_lands_all_segments_of_a_window(
    definitions: dg.Definitions, instance: dg.DagsterInstance, stages: Stages
) -> None:
    result = _run_window(definitions, instance)

    assert result.success
    assert stages.imported == [("shop_de", ("1", "2", "3"), WINDOW)]
    assert stages.mapped == [("1", WINDOW), ("2", WINDOW), ("3", WINDOW)]
    assert {asset: _landed(instance, asset) for asset in ASSETS} == dict.fromkeys(
        ASSETS, _keys(*SEGMENTS)
    )
    assert _checks(result) == ALL_PASSED


def test_a_segment_that_fails_fails_alone(
    definitions: dg.Definitions, instance: dg.DagsterInstance, stages: Stages
) -> None:
    stages.failing_to_import = {"2": QuotaError("export refused with 429")}

    result = _run_window(definitions, instance)

    assert not result.success
    assert {asset: _landed(instance, asset) for asset in ASSETS} == dict.fromkeys(
        ASSETS, _keys("shop_de-1", "shop_de-3")
    )
    assert stages.mapped == [("1", WINDOW), ("3", WINDOW)]
    assert _checks(result) == ALL_PASSED


def test_the_first_line_of_a_failure_says_what_failed_and_what_to_do(
    definitions: dg.Definitions, instance: dg.DagsterInstance, stages: Stages
) -> None:
    stages.failing_to_import = {"2": QuotaError("export refused with 429")}

    result = _run_window(definitions, instance)

    assert failure_of(result, "import_segments").splitlines() == [
        f"shop_de-2|{WINDOW} did not land. What to do: Raise the export quota of the account. "
        "Then re-run the failed partitions; the others have landed and go on.",
        "Why:",
        f"- shop_de-2|{WINDOW}: QuotaError: export refused with 429",
    ]


def test_a_rerun_of_the_failed_partition_completes_the_window(
    definitions: dg.Definitions, instance: dg.DagsterInstance, stages: Stages
) -> None:
    stages.failing_to_import = {"2": QuotaError("export refused with 429")}
    _run_window(definitions, instance)
    stages.failing_to_import = {}
    stages.imported.clear()

    result = _run_window(definitions, instance, ["shop_de-2"])

    assert result.success
    assert stages.imported == [("shop_de", ("2",), WINDOW)]
    assert _landed(instance, "mapped_contacts") == _keys(*SEGMENTS)


def test_a_segment_that_cannot_be_mapped_keeps_its_raw_rows(
    definitions: dg.Definitions, instance: dg.DagsterInstance, stages: Stages
) -> None:
    stages.failing_to_map = {"3": QuotaError("no such column")}

    result = _run_window(definitions, instance)

    assert not result.success
    assert _landed(instance, "raw_segment_exports") == _keys(*SEGMENTS)
    assert _landed(instance, "mapped_contacts") == _keys("shop_de-1", "shop_de-2")


def test_an_account_without_credentials_fails_with_the_name_of_the_variable(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    stages: Stages,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("TEST_EMARSYS_USERNAME")

    result = _run_window(definitions, instance)

    assert "TEST_EMARSYS_USERNAME" in failure_of(result, "import_segments")
    assert stages.imported == []
    assert _landed(instance, "raw_segment_exports") == []


def test_mapping_alone_asks_emarsys_nothing(
    definitions: dg.Definitions, instance: dg.DagsterInstance, stages: Stages
) -> None:
    result = run_assets(definitions, instance, ["mapped_contacts"], _keys("shop_de-1")[0])

    assert result.success
    assert (stages.imported, stages.mapped) == ([], [("1", WINDOW)])
    assert _landed(instance, "raw_segment_exports") == []


def test_rows_that_mapping_lost_fail_the_blocking_check(
    definitions: dg.Definitions, instance: dg.DagsterInstance, stages: Stages
) -> None:
    stages.lost_rows = 1

    result = _run_window(definitions, instance)

    assert _checks(result) == ALL_PASSED | {"rows_accounted_for": False}


def test_changes_that_do_not_add_up_are_replaced_by_a_full_import_at_once(
    settings: Settings, instance: dg.DagsterInstance, stages: Stages
) -> None:
    """One segment has a raw member that the stand-in for mapping has lost."""
    store = Warehouse(settings.warehouse_directory)
    store.migrate()
    put_raw(store, [{"contact_id": "7"}], account="shop_de", segment_id="2")
    stages.mode = "changes"

    result = _run_window(build_definitions(settings), instance, ["shop_de-1", "shop_de-2"])

    assert result.success
    assert stages.imported == [("shop_de", ("1", "2"), WINDOW), ("shop_de", ("2",), WINDOW)]
    assert stages.in_full == [False, True]
    assert stages.mapped == [("1", WINDOW), ("2", WINDOW), ("2", WINDOW)]
    assert _checks(result) == ALL_PASSED


def test_a_full_import_can_be_asked_for_in_the_launchpad(
    definitions: dg.Definitions, instance: dg.DagsterInstance, stages: Stages
) -> None:
    partition = _keys("shop_de-1")[0]
    asked = {"ops": {"import_segments": {"config": {"in_full": True}}}}
    by_config = definitions.resolve_job_def("segment_import").execute_in_process(
        instance=instance, partition_key=partition, run_config={**QUIET, **asked}
    )
    by_job = run_job(definitions, instance, "segment_reconciliation", partition=partition)
    tags = import_range_tags(SEGMENTS, GRID.parse(WINDOW))
    of_several = run_job(definitions, instance, "segment_reconciliation", tags=tags)
    assert [each.success for each in (by_config, by_job, of_several)] == [True] * 3
    assert stages.in_full == [True] * 3


@pytest.mark.usefixtures("stages")
def test_raw_rows_older_than_the_settings_keep_are_pruned_and_shown(
    make_settings: MakeSettings, instance: dg.DagsterInstance
) -> None:
    settings = make_settings(imports={"keep_raw_windows": 1})
    store = Warehouse(settings.warehouse_directory)
    store.migrate()
    for number in range(3):
        for segment in ("1", "2"):
            put_raw(store, [{"contact_id": "7"}] * 2, number, account="shop_de", segment_id=segment)

    result = _run_window(build_definitions(settings), instance, ["shop_de-1"])

    assert result.success
    kept = "select segment_id, window_start, count(*) from raw_segment_exports group by all"
    assert sorted(table(store, kept)) == [("1", window(2).start, 2), ("2", window(2).start, 2)]
    observed = {
        str(record.partition_key): record.asset_observation.metadata["summary"].value
        for record in instance.fetch_observations(
            dg.AssetKey("raw_segment_exports"), limit=10
        ).records
        if record.asset_observation is not None
    }
    told = (
        "4 raw rows of 2 windows were removed. Raw rows are kept from window 2026-03-02-00:00 on, "
        "which is a full import; what was mapped before stays."
    )
    assert observed == {_keys("shop_de-1")[0]: told, "None": told}


def test_each_partition_shows_its_own_counts(
    definitions: dg.Definitions, instance: dg.DagsterInstance, stages: Stages
) -> None:
    stages.failing_to_map = {"3": QuotaError("no such column")}
    _run_window(definitions, instance)
    stages.failing_to_map = {}
    _run_window(definitions, instance, ["shop_de-3"])

    shown = {}
    records = instance.fetch_materializations(dg.AssetKey("mapped_contacts"), limit=10).records
    for record in records:
        materialization = record.asset_materialization
        assert materialization is not None
        metadata = materialization.metadata
        shown[str(materialization.partition)] = (
            metadata["dagster/partition_row_count"].value,
            metadata["unchanged"].value,
            str(metadata["summary"].value).splitlines()[0],
        )

    line = "9 contacts are new, changed or gone; 1 did not change."
    assert shown == dict.fromkeys(_keys(*SEGMENTS), (9, 1, line))
