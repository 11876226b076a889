"""What readers of the opt-in tables rely on."""

import dagster as dg

from emarsys_pipeline.defs.outbox_checks import NO_DEAD_LETTERS, no_dead_letters, unique_ids
from emarsys_pipeline.warehouse import Warehouse, load_sql

UNIQUE_DELTAS = "one_row_per_delta"


def delta_check_spec() -> dg.AssetCheckSpec:
    """The check that deriving evaluates itself."""
    return dg.AssetCheckSpec(
        UNIQUE_DELTAS,
        asset="opt_in_deltas",
        blocking=True,
        description=(
            "A delta id occurs once. Fails if a change would be sent twice; pushing in the same "
            "run waits."
        ),
    )


def delta_check(warehouse: Warehouse) -> dg.AssetCheckResult:
    """Look for delta ids that occur more than once."""
    return unique_ids(warehouse, "opt_in_deltas", "delta_id", UNIQUE_DELTAS)


def push_check_spec() -> dg.AssetCheckSpec:
    """The check that pushing evaluates itself."""
    return dg.AssetCheckSpec(
        NO_DEAD_LETTERS,
        asset="opt_in_pushes",
        description=(
            "Emarsys refused no value for good. Fails, as a warning, with what to do for each "
            "kind of refusal; until then those contacts show an outdated opt-in."
        ),
    )


def push_check(warehouse: Warehouse) -> dg.AssetCheckResult:
    """Look for values that Emarsys refused for good."""
    return no_dead_letters(warehouse, load_sql(__package__, "dead_letters.sql"))
