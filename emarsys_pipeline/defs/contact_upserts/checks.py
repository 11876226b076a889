"""What readers of the contact upserts rely on."""

import dagster as dg

from emarsys_pipeline.warehouse import Warehouse, load_sql

UNIQUE_UPSERTS = "one_row_per_upsert"
NO_DEAD_LETTERS = "no_dead_letters"


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
    with warehouse.read() as connection:
        ((repeated,),) = connection.execute(
            load_sql(__package__, "repeated_upserts.sql")
        ).fetchall()
    return dg.AssetCheckResult(
        check_name=UNIQUE_UPSERTS, passed=repeated == 0, metadata={"repeated_upsert_ids": repeated}
    )


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
    with warehouse.read() as connection:
        rows = connection.execute(load_sql(__package__, "dead_letters.sql")).fetchall()
    remedies = sorted({remedy for _, _, remedy, _ in rows if remedy})
    return dg.AssetCheckResult(
        check_name=NO_DEAD_LETTERS,
        passed=not rows,
        severity=dg.AssetCheckSeverity.WARN,
        description=" ".join(remedies) or None,
        metadata={
            "dead_letters": sum(upserts for *_, upserts in rows),
            "by_reply": dg.MetadataValue.json(
                [
                    {"http_status": status, "reply_text": text, "upserts": upserts}
                    for status, text, _, upserts in rows
                ]
            ),
        },
    )
