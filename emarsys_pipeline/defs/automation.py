"""When a stage runs by itself: its inputs changed, and none of them is still on its way."""

from typing import Any

import dagster as dg
from dagster import AutomationCondition

# Above the daemon's own pace of 5 s, below what anybody would call waiting.
EVALUATION_INTERVAL_SECONDS = 15

# Dagster declares some parts for assets, others for assets and checks, and the type is invariant.
Condition = AutomationCondition[Any]


def stitched_identities_condition() -> Condition:
    """Run a window once all its segments have landed or failed, and again on each later landing.

    Only the newest window waits for its segments. An older one is redone on every change, so a
    segment that was configured later, and will never have that window, holds nothing up.
    """
    segments = dg.AssetSelection.assets("mapped_contacts")
    outstanding = AutomationCondition.missing() & ~AutomationCondition.execution_failed()
    is_waiting = AutomationCondition.any_deps_match(outstanding).allow(segments)
    return (
        _is_stale(dg.AssetSelection.assets("mapped_contacts", "platform_contacts"))
        & (~AutomationCondition.in_latest_time_window() | ~is_waiting)
        & _is_quiet()
    ).with_label("every segment landed or failed, and something is new")


def opt_in_deltas_condition() -> Condition:
    """Run a window when its identities were stitched.

    New consent is not waited for here: the opt-in sensor asks for those runs itself.
    """
    stitched = dg.AssetSelection.assets("stitched_identities")
    return (_is_stale(stitched) & _is_quiet()).with_label("identities were stitched")


def contact_upserts_condition() -> Condition:
    """Run a window when its identities, and with them its golden records, were stitched."""
    stitched = dg.AssetSelection.assets("stitched_identities")
    return (_is_stale(stitched) & _is_quiet()).with_label("golden records were written")


def newest_window_check_condition(cron_schedule: str) -> AutomationCondition[dg.AssetCheckKey]:
    """Run a check on every tick of ``cron_schedule`` (UTC)."""
    return AutomationCondition.cron_tick_passed(cron_schedule, "UTC")


def build_automation_sensor() -> dg.AutomationConditionSensorDefinition:
    """The sensor that evaluates all conditions; Dagster's own one would be stopped by default."""
    return dg.AutomationConditionSensorDefinition(
        name="stage_automation",
        target=dg.AssetSelection.all(),
        description=(
            "Links the stages: stitches a window when its segments have landed or failed, and "
            "derives opt-in deltas and contact upserts when identities were stitched. Stopped, "
            "data waits after the import until somebody materializes the stages by hand."
        ),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=EVALUATION_INTERVAL_SECONDS,
    )


def _is_stale(inputs: dg.AssetSelection) -> Condition:
    """An input changed after the last request, or was there when nobody was watching.

    ``since_last_handled`` forgets an input that lands in the very tick in which a run was
    requested or finished; here such an input counts as new, at the price of one more run.
    """
    updated = AutomationCondition.any_deps_updated().allow(inputs)
    handled = AutomationCondition.newly_requested() | AutomationCondition.newly_updated()
    is_changed = updated.since((handled & ~updated) | AutomationCondition.initial_evaluation())
    has_input = AutomationCondition.any_deps_match(~AutomationCondition.missing()).allow(inputs)
    is_unbuilt = (AutomationCondition.missing() & has_input).newly_true().since(handled)
    return is_changed | is_unbuilt


def _is_quiet() -> Condition:
    """Nothing on its way, and what came in is sound.

    ``eager`` ignores a failed blocking check of another run, hence the explicit condition.
    """
    return (
        ~AutomationCondition.any_deps_in_progress()
        & ~AutomationCondition.in_progress()
        & AutomationCondition.all_deps_blocking_checks_passed()
    )
