"""What readers of the messages rely on."""

import dagster as dg

from emarsys_pipeline.defs.resources import WarehouseResource
from emarsys_pipeline.warehouse import load_sql

# Not blocking on purpose: an input that has never been checked counts as not passed, and a
# deployment without messages would then never be stitched.


@dg.asset_check(
    asset="consent_events",
    name="statuses_understood",
    description=(
        "Every decision says granted, withdrawn or denied. Others are kept in their own words and "
        "decide nothing: fails, as a warning, so that somebody maps the new word."
    ),
)
def statuses_understood(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """Look for decisions whose status nobody understands."""
    with warehouse.open().read() as connection:
        rows = connection.execute(load_sql(__package__, "unknown_statuses.sql")).fetchall()
    return dg.AssetCheckResult(
        passed=not rows,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"events_by_status": dict(rows)},
    )
