"""What the newest stitch left behind: sizes, quarantine, the most shared identifiers, decisions."""

from emarsys_pipeline.defs.charts import drawn, identity_sizes
from emarsys_pipeline.defs.summaries import Metadata, markdown, table
from emarsys_pipeline.warehouse import Warehouse, load_sql

NOTHING_HELD_BACK = "No identifier is held back."


def identity_report(warehouse: Warehouse) -> Metadata:
    """Metadata of the present identities; identifiers are masked."""
    with warehouse.read() as connection:
        sizes, reasons, shared = (
            connection.execute(load_sql(__package__, file)).fetchall()
            for file in ("sizes.sql", "quarantine_reasons.sql", "top_shared_identifiers.sql")
        )
        decisions = connection.execute(
            "select action, count(*) from decisions_in_force group by action order by action"
        ).fetchall()
    undecided = sum(row[2] for row in reasons)
    chart: Metadata = {"sizes_chart": drawn(lambda: identity_sizes(sizes))} if sizes else {}
    return {
        **chart,
        "sizes": markdown(table(["contacts of an identity", "identities", "contacts"], sizes)),
        "quarantine": markdown(
            table(["held back because", "links", "undecided"], reasons)
            if reasons
            else NOTHING_HELD_BACK,
            "Look with `emarsys-pipeline identities quarantine`; release or confirm what is "
            "undecided."
            if undecided
            else "",
        ),
        "most_shared_identifiers": markdown(
            table(["identifier", "contacts", "held back because"], shared)
            if shared
            else NOTHING_HELD_BACK
        ),
        "decisions_in_force": markdown(
            table(["decision", "count"], decisions) if decisions else "None."
        ),
        "undecided_links": undecided,
    }
