"""What every definition carries alike: who owns it, whose data it holds, when it is late."""

from collections.abc import Sequence
from datetime import timedelta

import dagster as dg

from emarsys_pipeline.defs.column_lineage import ColumnLineage
from emarsys_pipeline.settings import Settings
from emarsys_pipeline.windows import WindowGrid

OWNERS = ("team:data-engineering",)

# What each window brings by itself; consent and calls come when they come, and are never late.
WINDOWED = (
    "raw_segment_exports",
    "mapped_contacts",
    "stitched_identities",
    "opt_in_deltas",
    "contact_upserts",
)
# Their rows speak of Emarsys accounts. Groups are the stages; accounts are tags, as one asset
# holds them all and a partition key begins with its account.
_WITHOUT_ACCOUNT = {"platform_contacts", "consent_events"}


def minutes_until_late(grid: WindowGrid, delay_minutes: int) -> int:
    """Minutes after a window's end at which it should be there.

    Late enough for the import to end, early enough to notice before the next window.
    """
    length = grid.length_minutes
    return min(59, delay_minutes + max(1, (length - delay_minutes) // 2))


def window_freshness(grid: WindowGrid, delay_minutes: int) -> dg.FreshnessPolicy:
    """Late is what has not been materialized since the newest window ended, once its time is up."""
    minutes = minutes_until_late(grid, delay_minutes)
    return dg.FreshnessPolicy.cron(
        deadline_cron=grid.cron(minutes), lower_bound_delta=timedelta(minutes=minutes)
    )


def label(
    assets: Sequence[dg.AssetsDefinition | dg.AssetSpec],
    settings: Settings,
    lineage: ColumnLineage,
) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """The same assets with owners, accounts as tags, column lineage and, if windowed, freshness."""
    accounts = {f"account/{account.name}": "" for account in settings.accounts}
    freshness = window_freshness(settings.windows.grid, settings.windows.delay_minutes)

    def labelled(spec: dg.AssetSpec) -> dg.AssetSpec:
        name = spec.key.to_user_string()
        spec = spec.merge_attributes(
            owners=OWNERS,
            tags={} if name in _WITHOUT_ACCOUNT else accounts,
            metadata=lineage.metadata(name),
        )
        return spec.replace_attributes(freshness_policy=freshness) if name in WINDOWED else spec

    return list(dg.map_asset_specs(labelled, list(assets)))
