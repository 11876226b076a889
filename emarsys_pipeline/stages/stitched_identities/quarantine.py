"""Links that a guard holds back, to be looked at and decided on."""

import duckdb

from emarsys_pipeline.stages.stitched_identities.ledger import (
    Contact,
    DecisionError,
    Identifier,
)

TOO_LARGE = "the identity would be too large"
"""Why an identifier is held back whose records are all in one component, which was too large."""


def contacts_held_back(
    connection: duckdb.DuckDBPyConnection, identifier: Identifier
) -> list[Contact | None]:
    """The contacts for which an identifier is held back; None stands for all of them.

    Raises:
        DecisionError: the identifier is not in quarantine.
    """
    rows = connection.execute(
        "select source, account, contact_id from quarantined_links"
        " where kind = $kind and value = $value order by all",
        identifier._asdict(),
    ).fetchall()
    if not rows:
        raise DecisionError(
            "the identifier is not in quarantine: look with emarsys-pipeline identities "
            "quarantine, or use identities block"
        )
    if any(contact_id is None for _, _, contact_id in rows):
        return [None]
    return [Contact(*row) for row in rows]
