"""What readers of both outboxes rely on."""

import dagster as dg

from emarsys_pipeline.warehouse import Warehouse, load_sql, quote

NO_DEAD_LETTERS = "no_dead_letters"


def unique_ids(warehouse: Warehouse, table: str, id_column: str, check: str) -> dg.AssetCheckResult:
    """The result of the check that an id occurs once in a table."""
    query = load_sql(__package__, "repeated_ids.sql", table=quote(table), id=quote(id_column))
    with warehouse.read() as connection:
        ((repeated,),) = connection.execute(query).fetchall()
    return dg.AssetCheckResult(
        check_name=check, passed=repeated == 0, metadata={f"repeated_{id_column}s": repeated}
    )


def no_dead_letters(warehouse: Warehouse, query: str) -> dg.AssetCheckResult:
    """The result of the check that nothing was refused for good.

    Args:
        warehouse: where to look.
        query: gives one row per kind of refusal: its facts, among them ``remedy``, and last how
            many there are.
    """
    with warehouse.read() as connection:
        found = connection.execute(query)
        names = [column[0] for column in found.description]
        refusals = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    remedies = sorted({refusal["remedy"] for refusal in refusals if refusal["remedy"]})
    return dg.AssetCheckResult(
        check_name=NO_DEAD_LETTERS,
        passed=not refusals,
        severity=dg.AssetCheckSeverity.WARN,
        description=" ".join(remedies) or None,
        metadata={
            "dead_letters": sum(refusal[names[-1]] for refusal in refusals),
            "by_reply": dg.MetadataValue.json(refusals),
        },
    )
