"""What readers of the contact upserts rely on."""

import dagster as dg

from emarsys_pipeline.defs.outbox_checks import NO_DEAD_LETTERS, no_dead_letters, unique_ids
from emarsys_pipeline.warehouse import Warehouse, load_sql

UNIQUE_UPSERTS = "one_row_per_upsert"


def upsert_check_spec() -> dg.AssetCheckSpec:
    """The check that deriving evaluates itself."""
    return dg.AssetCheckSpec(
        UNIQUE_UPSERTS,
        asset="contact_upserts",
        blocking=True,
        description=(
            "An upsert id occurs once. Fails if a change would be told twice; delivery in the "
            "same run waits."
        ),
    )


def upsert_check(warehouse: Warehouse) -> dg.AssetCheckResult:
    """Look for upsert ids that occur more than once."""
    return unique_ids(warehouse, "contact_upserts", "upsert_id", UNIQUE_UPSERTS)


def push_check_spec() -> dg.AssetCheckSpec:
    """The check that delivery evaluates itself."""
    return dg.AssetCheckSpec(
        NO_DEAD_LETTERS,
        asset="contact_upsert_pushes",
        description=(
            "The messaging platform refused no person for good. Fails, as a warning, with what to "
            "do for each kind of refusal; until then those contacts are outdated there."
        ),
    )


def push_check(warehouse: Warehouse) -> dg.AssetCheckResult:
    """Look for upserts that the platform refused for good."""
    return no_dead_letters(warehouse, load_sql(__package__, "dead_letters.sql"))
