"""How the commands about identities tell what they found."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import duckdb

from emarsys_pipeline.cli.answers import tell_json, tell_line, tell_table
from emarsys_pipeline.stages.stitched_identities.preview import Preview
from emarsys_pipeline.warehouse import load_sql


def tell_preview(found: Preview, *, as_json: bool) -> None:
    """Sizes before and after, and the identities that would change."""
    if as_json:
        tell_json(asdict(found))
        return
    tell_line(
        f"merges: {found.merges:,}, splits: {found.splits:,}, contacts that would move: "
        f"{found.moved_records:,}; nothing was written"
    )
    before, after = found.before, found.after
    rows: list[list[object]] = [
        ["identities", before.identities, after.identities],
        ["contacts of the largest", before.largest, after.largest],
        ["links in quarantine", before.quarantined, after.quarantined],
    ]
    for size in sorted({*before.by_size, *after.by_size}):
        noun = "contact" if size == 1 else "contacts"
        rows.append(
            [
                f"identities of {size} {noun}",
                before.by_size.get(size, 0),
                after.by_size.get(size, 0),
            ]
        )
    tell_table("Identities", ["what", "now", "then"], rows)
    if found.changes:
        tell_table(
            f"The largest {len(found.changes)} changes",
            ["event", "from identity", "to identity", "contacts", "size now", "size then"],
            [
                [
                    change.event,
                    change.identity_id,
                    change.other_identity_id,
                    change.records,
                    change.size_before,
                    change.size_after,
                ]
                for change in found.changes
            ],
        )


def tell_decisions(connection: duckdb.DuckDBPyConnection, *, as_json: bool) -> None:
    """The ledger, oldest first."""
    rows = _rows(connection, "identity_decisions.sql")
    if as_json:
        tell_json(rows)
        return
    if not rows:
        tell_line("Nobody has decided anything yet.")
        return
    columns = ["decision", "decided at", "author", "action", "about", "reason", "in force"]
    tell_table(
        "Decisions",
        columns,
        [
            [
                row["decision_id"],
                row["decided_at"],
                row["author"],
                row["action"],
                row["about"],
                row["reason"],
                row["is_in_force"],
            ]
            for row in rows
        ],
    )


def tell_quarantine(connection: duckdb.DuckDBPyConnection, *, limit: int, as_json: bool) -> None:
    """The links that are held back, those without a decision first."""
    rows = _rows(connection, "quarantine.sql", limit=limit)
    if as_json:
        tell_json(rows)
        return
    if not rows:
        tell_line("No identifier is held back.")
        return
    names = ["kind", "value", "records", "contact", "reason", "decision_id"]
    heads = ["kind", "identifier", "contacts", "only for contact", "reason", "decision"]
    tell_table("In quarantine", heads, [[row[name] for name in names] for row in rows])


def _rows(
    connection: duckdb.DuckDBPyConnection, file: str, **parameters: Any
) -> list[dict[str, Any]]:
    found = connection.execute(load_sql(__package__, file), parameters or None)
    names = [column[0] for column in found.description or ()]
    return [
        {name: _plain(value) for name, value in zip(names, row, strict=True)}
        for row in found.fetchall()
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"
    return value
