"""Jobs: what the schedule and the sensors start, and what a person may start by hand."""

import dagster as dg

SEGMENT_IMPORT = dg.define_asset_job(
    "segment_import",
    selection=dg.AssetSelection.assets("raw_segment_exports", "mapped_contacts"),
    description=(
        "Fetches segments from Emarsys for a window and maps them. A segment that fails marks its "
        "own partition and nothing else. Stitching follows by itself."
    ),
)

OPT_IN_SYNC = dg.define_asset_job(
    "opt_in_sync",
    selection=dg.AssetSelection.assets(
        "platform_contacts", "consent_events", "opt_in_deltas", "opt_in_pushes"
    ),
    description=(
        "Takes the inbox's messages into the windows in which they arrived, derives which opt-in "
        "fields must change, and writes them to Emarsys."
    ),
)

OPT_IN_PUSH = dg.define_asset_job(
    "opt_in_push",
    selection=dg.AssetSelection.assets("opt_in_pushes"),
    description=(
        "Writes to Emarsys what is due: values not yet sent, retries whose time has come, and "
        "requests without an answer that must be settled by reading back."
    ),
)
