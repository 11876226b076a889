"""platform_contacts and consent_events: messages of the inbox, taken into their windows."""

import dagster as dg

from emarsys_pipeline.defs.charts import consent_over_time, drawn
from emarsys_pipeline.defs.partitions import Partitions
from emarsys_pipeline.defs.resources import InboxResource, WarehouseResource
from emarsys_pipeline.defs.row_counts import window_rows
from emarsys_pipeline.defs.summaries import Metadata, counts, markdown
from emarsys_pipeline.defs.table_schemas import table_metadata
from emarsys_pipeline.settings import Settings
from emarsys_pipeline.stages.consent_events import ingest_consent_events
from emarsys_pipeline.stages.platform_contacts import ingest_platform_contacts
from emarsys_pipeline.warehouse import Warehouse, load_sql

_NOTHING_NEW = "Nothing to do: every message received in this window had been taken in before."


def build_messaging_assets(settings: Settings, partitions: Partitions) -> list[dg.AssetsDefinition]:
    """Both assets; the open window is a partition of theirs, since consent does not wait."""
    # The messaging side writes numbers of its own country without a code; it names no account.
    default_region = settings.accounts[0].default_region

    @dg.asset(
        partitions_def=partitions.open_windows,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name="messaging_platform",
        kinds={"duckdb", "sql"},
        tags={"layer": "raw", "personal_data": "true"},
        metadata=table_metadata("platform_contacts"),
    )
    def platform_contacts(
        context: dg.AssetExecutionContext, warehouse: WarehouseResource, inbox: InboxResource
    ) -> dg.MaterializeResult[None]:
        """One row per message about a contact of the messaging platform.

        Taken from the inbox into the window in which the message arrived. Phone numbers and
        e-mail addresses are normalised as those from Emarsys are, so that both sides meet in one
        identity. Materializing a window again adds only what it lacks.
        """
        store = warehouse.open()
        windows = partitions.parse_windows(context.partition_keys)
        added = 0
        for window in windows:
            with inbox.open() as messages:
                taken = ingest_platform_contacts(
                    store, messages, window, default_region=default_region
                )
            added += taken.added
            context.add_asset_metadata(
                {
                    "added": taken.added,
                    "invalid_phone_numbers": taken.invalid_phone_numbers,
                    "invalid_email_addresses": taken.invalid_email_addresses,
                },
                partition_key=window.key,
            )
        for window, rows in window_rows(store, "platform_contacts", windows).items():
            context.add_asset_metadata(rows, partition_key=window.key)
        context.log.info("added %d messages about contacts", added)
        return dg.MaterializeResult(
            metadata={
                "summary": markdown(
                    f"{added:,} messages about contacts taken in." if added else _NOTHING_NEW
                )
            }
        )

    @dg.asset(
        partitions_def=partitions.open_windows,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name="messaging_platform",
        kinds={"duckdb", "sql"},
        tags={"layer": "raw", "personal_data": "true"},
        metadata=table_metadata("consent_events"),
    )
    def consent_events(
        context: dg.AssetExecutionContext, warehouse: WarehouseResource, inbox: InboxResource
    ) -> dg.MaterializeResult[None]:
        """One row per consent decision: the ledger, only ever added to.

        Who decided what for which channel, when, and the hash of the evidence. A decision that
        arrives twice, or late, changes nothing it should not: the status of a person is folded
        from all events in the order of the decisions.
        """
        store = warehouse.open()
        totals = dict.fromkeys(("granted", "withdrawn", "denied", "unknown status"), 0)
        windows = partitions.parse_windows(context.partition_keys)
        for window in windows:
            with inbox.open() as messages:
                taken = ingest_consent_events(
                    store, messages, window, default_region=default_region
                )
            for name in totals:
                totals[name] += getattr(taken, name.replace(" ", "_"))
            context.add_asset_metadata(
                {"added": taken.added, "unknown_status": taken.unknown_status},
                partition_key=window.key,
            )
        for window, rows in window_rows(store, "consent_events", windows).items():
            context.add_asset_metadata(rows, partition_key=window.key)
        context.add_asset_metadata(_over_time(store), partition_key=windows[-1].key)
        context.log.info("added %d consent decisions", sum(totals.values()))
        return dg.MaterializeResult(
            metadata={"summary": markdown(counts(totals) if any(totals.values()) else _NOTHING_NEW)}
        )

    return [platform_contacts, consent_events]


def _over_time(warehouse: Warehouse) -> Metadata:
    """The chart of consent, once there is any."""
    with warehouse.read() as connection:
        rows = connection.execute(load_sql(__package__, "consent_over_time.sql")).fetchall()
    if not rows:
        return {}
    return {"consent_over_time": drawn(lambda: consent_over_time(rows)), "agreeing": rows[-1][3]}
