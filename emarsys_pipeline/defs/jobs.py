"""Jobs: what the schedule and the sensors start, and what a person may start by hand."""

import dagster as dg

_IMPORTED = dg.AssetSelection.assets("raw_segment_exports", "mapped_contacts")
# It looks at all segments some time after the import, by itself. In an import that fails it would
# only be skipped, and hide its last answer.
_LATER_CHECK = dg.AssetSelection.checks(
    dg.AssetCheckKey(dg.AssetKey("raw_segment_exports"), "newest_window_landed")
)

SEGMENT_IMPORT = dg.define_asset_job(
    "segment_import",
    selection=_IMPORTED - _LATER_CHECK,
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
