"""What readers of the opt-in tables rely on."""

import dagster as dg

from emarsys_pipeline.warehouse import Warehouse, load_sql

UNIQUE_DELTAS = "one_row_per_delta"
NO_DEAD_LETTERS = "no_dead_letters"


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
    with warehouse.read() as connection:
        ((repeated,),) = connection.execute(load_sql(__package__, "repeated_deltas.sql")).fetchall()
    return dg.AssetCheckResult(
        check_name=UNIQUE_DELTAS, passed=repeated == 0, metadata={"repeated_delta_ids": repeated}
    )


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
    with warehouse.read() as connection:
        rows = connection.execute(load_sql(__package__, "dead_letters.sql")).fetchall()
    remedies = sorted({remedy for _, _, remedy, _ in rows if remedy})
    return dg.AssetCheckResult(
        check_name=NO_DEAD_LETTERS,
        passed=not rows,
        severity=dg.AssetCheckSeverity.WARN,
        description=" ".join(remedies) or None,
        metadata={
            "dead_letters": sum(deltas for *_, deltas in rows),
            "by_reply": dg.MetadataValue.json(
                [
                    {"account": account, "reply_code": code, "remedy": remedy, "deltas": deltas}
                    for account, code, remedy, deltas in rows
                ]
            ),
        },
    )
