"""The rows of one segment as they are stored, and the counts that go with them."""

from datetime import datetime

from emarsys_pipeline.stages.raw_segment_exports.exports import ExportedFile
from emarsys_pipeline.stages.raw_segment_exports.landing import Delivery
from emarsys_pipeline.stages.raw_segment_exports.run import AccountRun
from emarsys_pipeline.stages.raw_segment_exports.scratch import Scratch, exported_rows
from emarsys_pipeline.warehouse import load_sql, quote
from emarsys_pipeline.warehouse.columns import raw_field_column


def finish(
    run: AccountRun,
    scratch: Scratch,
    segment_id: str,
    *,
    mode: str,
    requested_at: datetime,
    exported: ExportedFile | None,
    fetched_at: datetime,
) -> Delivery:
    """Join what was exported, looked up and fetched; add those who left; write one file.

    Reads the scratch tables ``labelled``, ``looked_up``, ``fetched``, ``to_fetch`` and
    ``previous``.
    """
    plan = run.plan
    as_they_are = exported is not None and mode == "full" and is_landed_from_file(run, exported)
    exported_columns = [] if exported is None else list(plan.exported_ids)
    looked_up = [] if exported is None else list(plan.looked_up_ids)
    select = load_sql(
        __package__,
        "finished.sql",
        exported="" if as_they_are else _columns("labelled", exported_columns),
        looked_up=_columns("looked_up", looked_up),
        join_looked_up="join looked_up using (contact_id)" if looked_up else "",
        fetched=_columns("fetched", plan.field_ids),
    )
    path = scratch.write_parquet(
        segment_id,
        select,
        {
            "labelled_kind": "member" if mode == "full" else "changed",
            "exported_at": exported.requested_at if exported else requested_at,
            "export_id": exported.export_id if exported else None,
            "fetched_at": fetched_at,
            "is_full": mode == "full",
            "requested_at": requested_at,
        },
    )
    counts = scratch.connection.execute(load_sql(__package__, "finished_counts.sql")).fetchall()[0]
    members = counts[0] if mode == "full" else scratch.count("members") - counts[4]
    return Delivery(
        mode=mode,
        requested_at=requested_at,
        rows=path,
        exported=exported_rows(exported, plan.exported) if exported and as_they_are else None,
        members=members,
        entered=counts[1],
        departed=counts[2],
        changed=counts[3],
    )


def is_landed_from_file(run: AccountRun, exported: ExportedFile) -> bool:
    """Whether the rows of a full export are stored as they are in the file."""
    return exported.has_user_id and not run.plan.looked_up


def _columns(table: str, field_ids: tuple[str, ...] | list[str]) -> str:
    return "".join(f", {table}.{quote(raw_field_column(field_id))}" for field_id in field_ids)
