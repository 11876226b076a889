"""Jobs: what the schedule and the sensors start, and what a person may start by hand."""

import dagster as dg

from emarsys_pipeline.defs.emarsys_import import readiness
from emarsys_pipeline.defs.labels import OWNERS
from emarsys_pipeline.defs.partitions import IN_FULL_TAG

_IMPORTED = dg.AssetSelection.assets("raw_segment_exports", "mapped_contacts")
# They run by themselves: the one some time after the import, over all segments; the other when
# somebody asks, since it costs requests. In an import that fails they would only be skipped, and
# hide their last answers.
_OTHER_CHECKS = dg.AssetSelection.checks(
    dg.AssetCheckKey(dg.AssetKey("raw_segment_exports"), "newest_window_landed"), readiness.CHECK
)

SEGMENT_IMPORT = dg.define_asset_job(
    "segment_import",
    selection=_IMPORTED - _OTHER_CHECKS,
    owners=OWNERS,
    description=(
        "Fetches segments from Emarsys for a window and maps them. A segment that fails marks its "
        "own partition and nothing else. Stitching follows by itself."
    ),
)

SEGMENT_RECONCILIATION = dg.define_asset_job(
    "segment_reconciliation",
    selection=_IMPORTED - _OTHER_CHECKS,
    # A tag and not a configuration, which runs over several partitions would not get.
    tags={IN_FULL_TAG: "true"},
    owners=OWNERS,
    description=(
        "Imports the newest window of a segment again, every member of it, and replaces what had "
        "landed: for when something looks wrong, or after an import inside Emarsys, which it does "
        "not report as changes. Choose the segment and its newest window. By itself it happens "
        "every imports.reconcile_every_days."
    ),
)

ACCOUNT_READY = dg.define_asset_job(
    readiness.ACCOUNT_READY,
    selection=dg.AssetSelection.checks(readiness.CHECK),
    owners=OWNERS,
    description=(
        "Finds out whether each account can be imported and pushed to: sign-in, clock, rate "
        "limit, permissions, segments, field mapping, days left of WSSE. Never writes to Emarsys."
    ),
)

OPT_IN_SYNC = dg.define_asset_job(
    "opt_in_sync",
    selection=dg.AssetSelection.assets(
        "platform_contacts", "consent_events", "opt_in_deltas", "opt_in_pushes"
    ),
    owners=OWNERS,
    description=(
        "Takes the inbox's messages into the windows in which they arrived, derives which opt-in "
        "fields must change, and writes them to Emarsys."
    ),
)

OPT_IN_PUSH = dg.define_asset_job(
    "opt_in_push",
    selection=dg.AssetSelection.assets("opt_in_pushes"),
    owners=OWNERS,
    description=(
        "Writes to Emarsys what is due: values not yet sent, retries whose time has come, and "
        "requests without an answer that must be settled by reading back."
    ),
)


CONTACT_UPSERT_PUSH = dg.define_asset_job(
    "contact_upsert_push",
    selection=dg.AssetSelection.assets("contact_upsert_pushes"),
    owners=OWNERS,
    description=(
        "Tells the messaging platform of the persons that are due: not yet told, retries whose "
        "time has come, and requests without an answer. There only with messaging.http."
    ),
)
