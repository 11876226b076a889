"""Metadata of one imported or mapped partition."""

from emarsys_pipeline.defs.charts import drawn, segment_growth
from emarsys_pipeline.defs.partitions import SegmentWindow
from emarsys_pipeline.defs.summaries import Metadata, counts, markdown, table
from emarsys_pipeline.stages.mapped_contacts import ContactsMapped
from emarsys_pipeline.stages.raw_segment_exports import SegmentImported
from emarsys_pipeline.stages.raw_segment_exports.pruning import RawPruned
from emarsys_pipeline.warehouse import Warehouse, load_sql
from emarsys_pipeline.windows import KEY_FORMAT

_MODES = {
    "full": "Full import: every member was exported.",
    "changes": "Incremental import: only what entered, left or changed was fetched.",
    "superseded": "Nothing was fetched: a later window of this segment had already landed.",
}


def import_metadata(result: SegmentImported) -> Metadata:
    """Metadata of one partition of raw_segment_exports."""
    headline = _MODES.get(result.mode, f"Import mode {result.mode}.")
    if result.already_landed:
        headline = "Nothing was fetched: this partition had landed before and was kept as it is."
    elif result.mode == "changes" and result.rows_delivered == 0:
        headline = "Nothing to do: no member entered, left or changed in this window."
    return {
        "summary": markdown(
            headline,
            counts(
                {
                    "members": result.members,
                    "entered": result.entered,
                    "left": result.departed,
                    "reported as changed": result.changed,
                    "rows stored": result.rows_delivered,
                    "API calls": result.api_calls,
                    "API calls shared with all segments of the run": result.shared_api_calls,
                }
            ),
        ),
        "dagster/partition_row_count": result.rows_delivered,
        "mode": result.mode,
        "members": result.members,
        "counted_by_emarsys": result.counted,
        "entered": result.entered,
        "departed": result.departed,
        "changed": result.changed,
        "api_calls": result.api_calls,
        "shared_api_calls": result.shared_api_calls,
        "bytes_downloaded": result.bytes_downloaded,
        "shared_bytes_downloaded": result.shared_bytes_downloaded,
        "seconds": round(result.seconds, 1),
        "export_ids": list(result.export_ids),
    }


def growth_metadata(warehouse: Warehouse, partition: SegmentWindow) -> Metadata:
    """The chart of a segment's growth up to one window."""
    with warehouse.read() as connection:
        rows = connection.execute(
            load_sql(__package__, "growth.sql"),
            {
                "account": partition.account,
                "segment_id": partition.segment_id,
                "window_start": partition.window.start,
            },
        ).fetchall()
    return {"growth": drawn(lambda: segment_growth(rows))} if rows else {}


def mapping_metadata(result: ContactsMapped) -> Metadata:
    """Metadata of one partition of mapped_contacts."""
    written = result.new + result.changed + result.left
    headline = (
        f"{written:,} contacts are new, changed or gone; {result.unchanged:,} did not change."
        if written
        else "Nothing to do: no mapped value of this segment changed in this window."
    )
    fields = result.top_changed_fields
    return {
        "summary": markdown(
            headline,
            counts({"new": result.new, "changed": result.changed, "left": result.left}),
            _rejects(result.rejected_values),
        ),
        "top_changed_fields": markdown(
            table(["property", "contacts it changed for"], list(fields.items()))
            if fields
            else "None changed."
        ),
        "dagster/partition_row_count": written,
        "read": result.read,
        "new": result.new,
        "changed": result.changed,
        "left": result.left,
        "unchanged": result.unchanged,
        "rejected_values": result.rejected_values,
    }


def pruning_metadata(pruned: RawPruned) -> Metadata:
    """Metadata of the observation that raw rows of a segment were removed."""
    kept_from = f"{pruned.kept_from:{KEY_FORMAT}}"
    return {
        "summary": markdown(
            f"{pruned.rows_pruned:,} raw rows of {pruned.partitions:,} windows were removed. Raw "
            f"rows are kept from window {kept_from} on, which is a full import; what was mapped "
            "before stays."
        ),
        "raw_kept_from": kept_from,
        "partitions_pruned": pruned.partitions,
        "rows_pruned": pruned.rows_pruned,
    }


def _rejects(rejected: int) -> str:
    if not rejected:
        return ""
    return (
        f"{rejected:,} values could not be converted; their contacts live on without them. "
        "The table `rejected_values` has each of them with its reason."
    )
