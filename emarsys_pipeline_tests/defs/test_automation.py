"""When stages start by themselves: the conditions, driven tick by tick.

The assets here do nothing but succeed or fail; their graph, partitions and conditions are those
of the pipeline.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pytest

from emarsys_pipeline.defs import automation
from emarsys_pipeline.defs.partitions import Partitions, import_range_tags
from emarsys_pipeline.windows import Window, WindowGrid
from emarsys_pipeline_tests.defs.running import run_assets, run_job

pytestmark = pytest.mark.filterwarnings(
    "ignore::dagster.BetaWarning", "ignore::dagster.PreviewWarning"
)

GRID = WindowGrid(datetime(2026, 11, 1, tzinfo=UTC), 720)
PARTITIONS = Partitions(GRID)
SEGMENTS = ["shop_de-1", "shop_de-2", "shop_de-3"]
OLDER, NEWEST = GRID.parse("2026-11-02-00:00"), GRID.parse("2026-11-02-12:00")
NOW = datetime(2026, 11, 3, 0, 10, tzinfo=UTC)


@dataclass
class World:
    """The pipeline's graph over assets that only do as they are told."""

    instance: dg.DagsterInstance
    broken: set[str] = field(default_factory=set)
    is_sound: bool = True
    cursor: Any = None
    definitions: dg.Definitions = field(init=False)

    def __post_init__(self) -> None:
        self.definitions = _definitions(self)

    def land(self, *segments: str, window: Window = NEWEST) -> None:
        run_job(
            self.definitions,
            self.instance,
            "segment_import",
            tags=import_range_tags(list(segments), window),
        )

    def materialize(self, asset: str, window: Window = NEWEST) -> None:
        result = run_assets(
            self.definitions,
            self.instance,
            [asset],
            window.key,
        )
        assert result.success

    def tick(self, now: datetime = NOW) -> dict[str, list[str]]:
        """Evaluate all conditions once; what they ask for, by asset."""
        result = dg.evaluate_automation_conditions(
            defs=self.definitions,
            instance=self.instance,
            evaluation_time=now,
            cursor=self.cursor,
        )
        self.cursor = result.cursor
        asked = {
            asset: sorted(filter(None, result.get_requested_partitions(dg.AssetKey(asset))))
            for asset in ("stitched_identities", "opt_in_deltas")
        }
        return {asset: keys for asset, keys in asked.items() if keys}


def _definitions(world: World) -> dg.Definitions:
    single_run = dg.BackfillPolicy.single_run()

    @dg.multi_asset(
        specs=[
            dg.AssetSpec("raw_segment_exports"),
            dg.AssetSpec("mapped_contacts", deps=["raw_segment_exports"]),
        ],
        partitions_def=PARTITIONS.segment_windows,
        backfill_policy=single_run,
        check_specs=[dg.AssetCheckSpec("sound", asset="mapped_contacts", blocking=True)],
    )
    def import_segments(context: dg.AssetExecutionContext):  # type: ignore[no-untyped-def]
        yield dg.AssetCheckResult(
            asset_key="mapped_contacts", check_name="sound", passed=world.is_sound
        )
        good = [key for key in context.partition_keys if key.split("|")[0] not in world.broken]
        if len(good) < len(context.partition_keys):
            for asset in ("raw_segment_exports", "mapped_contacts"):
                for key in good:
                    context.log_event(dg.AssetMaterialization(asset, partition=key))
            raise dg.Failure("a segment is broken", allow_retries=False)
        yield dg.MaterializeResult(asset_key="raw_segment_exports")
        yield dg.MaterializeResult(asset_key="mapped_contacts")

    @dg.asset(partitions_def=PARTITIONS.open_windows)
    def platform_contacts() -> dg.MaterializeResult[None]:
        return dg.MaterializeResult()

    @dg.asset(partitions_def=PARTITIONS.open_windows)
    def consent_events() -> dg.MaterializeResult[None]:
        return dg.MaterializeResult()

    @dg.asset(
        deps=[
            dg.AssetDep(
                "mapped_contacts",
                partition_mapping=dg.MultiToSingleDimensionPartitionMapping("window"),
            ),
            "platform_contacts",
        ],
        partitions_def=PARTITIONS.windows,
        automation_condition=automation.stitched_identities_condition(),
    )
    def stitched_identities() -> dg.MaterializeResult[None]:
        return dg.MaterializeResult()

    @dg.asset(
        deps=[
            dg.AssetDep(
                "stitched_identities",
                partition_mapping=dg.TimeWindowPartitionMapping(
                    allow_nonexistent_upstream_partitions=True
                ),
            ),
            "consent_events",
        ],
        partitions_def=PARTITIONS.open_windows,
        automation_condition=automation.opt_in_deltas_condition(),
    )
    def opt_in_deltas() -> dg.MaterializeResult[None]:
        return dg.MaterializeResult()

    return dg.Definitions(
        assets=[
            import_segments,
            platform_contacts,
            consent_events,
            stitched_identities,
            opt_in_deltas,
        ],
        jobs=[
            dg.define_asset_job(
                "segment_import",
                selection=dg.AssetSelection.assets("raw_segment_exports", "mapped_contacts"),
            )
        ],
        executor=dg.in_process_executor,
    )


@pytest.fixture
def world(instance: dg.DagsterInstance) -> World:
    instance.add_dynamic_partitions("emarsys_segment", SEGMENTS)
    world = World(instance)
    assert world.tick() == {}
    return world


STITCH = {"stitched_identities": [NEWEST.key]}
DERIVE = {"opt_in_deltas": [NEWEST.key]}


def test_a_landed_window_is_stitched_and_its_deltas_are_derived_once(world: World) -> None:
    world.land(*SEGMENTS)
    assert world.tick() == STITCH

    world.materialize("stitched_identities")
    assert world.tick() == DERIVE

    world.materialize("opt_in_deltas")
    assert world.tick() == {}


def test_a_window_waits_until_every_segment_has_landed(world: World) -> None:
    world.land(*SEGMENTS[:2])
    assert world.tick() == {}

    world.land(SEGMENTS[2])
    assert world.tick() == STITCH


def test_a_failed_segment_holds_nobody_up_and_is_taken_in_when_it_lands(world: World) -> None:
    world.broken = {SEGMENTS[1]}
    world.land(*SEGMENTS)
    assert world.tick() == STITCH
    world.materialize("stitched_identities")
    assert world.tick() == DERIVE
    world.materialize("opt_in_deltas")

    world.broken = set()
    world.land(SEGMENTS[1])

    assert world.tick() == STITCH


def test_a_segment_that_lands_right_after_the_request_is_not_forgotten(world: World) -> None:
    world.broken = {SEGMENTS[1]}
    world.land(*SEGMENTS)
    assert world.tick() == STITCH
    world.materialize("stitched_identities")

    world.broken = set()
    world.land(SEGMENTS[1])

    assert world.tick() == STITCH | DERIVE


def test_a_segment_that_never_had_an_older_window_does_not_hold_it_up(world: World) -> None:
    world.land(*SEGMENTS[:2], window=OLDER)

    assert world.tick() == {"stitched_identities": [OLDER.key]}


def test_contacts_that_arrive_late_for_a_closed_window_have_it_stitched_again(
    world: World,
) -> None:
    world.land(*SEGMENTS)
    world.tick()
    world.materialize("stitched_identities")
    world.tick()

    world.materialize("platform_contacts")

    assert world.tick() == STITCH


def test_consent_alone_starts_nothing_because_its_own_run_derives_the_deltas(
    world: World,
) -> None:
    world.materialize("consent_events", GRID.at(NOW))

    assert world.tick() == {}


def test_a_failed_blocking_check_holds_the_next_stage(world: World) -> None:
    world.is_sound = False
    world.land(*SEGMENTS)
    assert world.tick() == {}

    world.is_sound = True
    world.land(SEGMENTS[0])
    assert world.tick() == STITCH


def test_what_landed_before_anybody_watched_is_stitched(world: World) -> None:
    world.land(*SEGMENTS)
    world.cursor = None

    assert world.tick() == STITCH
    assert world.tick() == {}


def test_the_next_window_is_stitched_when_it_has_landed(world: World) -> None:
    world.land(*SEGMENTS)
    world.tick()
    world.materialize("stitched_identities")
    world.tick()
    world.materialize("opt_in_deltas")
    later = datetime(2026, 11, 3, 12, 10, tzinfo=UTC)
    window = GRID.at(NOW)
    assert world.tick(later) == {}

    world.land(*SEGMENTS, window=window)

    assert world.tick(later) == {"stitched_identities": [window.key]}
