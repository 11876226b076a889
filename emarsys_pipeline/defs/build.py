"""All definitions of one deployment."""

import warnings

import dagster as dg

from emarsys_pipeline.defs.actions.jobs import build_action_jobs
from emarsys_pipeline.defs.alerts.sensor import build_alert_sensor
from emarsys_pipeline.defs.analytics import build_view_specs
from emarsys_pipeline.defs.automation import build_automation_sensor
from emarsys_pipeline.defs.automation_events.assets import (
    AUTOMATION_INGEST,
    build_automation_events_asset,
    build_automation_inbox_sensor,
)
from emarsys_pipeline.defs.automation_events.lists import (
    AUTOMATION_LIST_FETCH,
    build_automation_lists_asset,
    build_automation_lists_sensor,
)
from emarsys_pipeline.defs.column_lineage import ColumnLineage
from emarsys_pipeline.defs.contact_upserts.assets import build_upsert_asset
from emarsys_pipeline.defs.contact_upserts.pushes import build_upsert_push_asset
from emarsys_pipeline.defs.contact_upserts.sensor import build_upsert_sensor
from emarsys_pipeline.defs.emarsys_import.assets import build_import_assets
from emarsys_pipeline.defs.emarsys_import.catalogue_sensor import build_catalogue_sensor
from emarsys_pipeline.defs.emarsys_import.checks import build_newest_window_check
from emarsys_pipeline.defs.emarsys_import.readiness import build_readiness_check
from emarsys_pipeline.defs.identities.assets import build_identity_asset
from emarsys_pipeline.defs.jobs import (
    ACCOUNT_READY,
    CONTACT_UPSERT_PUSH,
    OPT_IN_PUSH,
    OPT_IN_SYNC,
    SEGMENT_IMPORT,
    SEGMENT_RECONCILIATION,
)
from emarsys_pipeline.defs.labels import label
from emarsys_pipeline.defs.maintenance import build_maintenance_job, build_maintenance_schedule
from emarsys_pipeline.defs.messaging.assets import build_messaging_assets
from emarsys_pipeline.defs.messaging.checks import statuses_understood
from emarsys_pipeline.defs.opt_in.deltas import build_delta_asset
from emarsys_pipeline.defs.opt_in.drift import (
    OPT_IN_RECONCILIATION,
    build_drift_asset,
    build_reconciliation_schedule,
)
from emarsys_pipeline.defs.opt_in.pushes import build_push_asset
from emarsys_pipeline.defs.opt_in.sensor import build_opt_in_sensor
from emarsys_pipeline.defs.partitions import Partitions
from emarsys_pipeline.defs.privacy import build_retention_job, build_retention_schedule
from emarsys_pipeline.defs.resources import build_resources
from emarsys_pipeline.defs.runbook_links import with_runbook
from emarsys_pipeline.defs.schedules import build_import_schedule
from emarsys_pipeline.settings import Settings

# Dagster marks owners of jobs, schedules and sensors as beta, and says so whenever it resolves one.
warnings.filterwarnings("ignore", message="Parameter `owners` of", category=dg.BetaWarning)


def build_definitions(settings: Settings) -> dg.Definitions:
    """Everything that Dagster loads, for these settings; touches no network, file or secret."""
    with warnings.catch_warnings():
        # Backfill policies and some partition mappings are marked beta or preview by Dagster:
        # nothing that a user of this pipeline could act on.
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        made = _build(settings)
        return dg.Definitions(
            assets=[with_runbook(asset) for asset in made.assets or ()],
            asset_checks=[with_runbook(check) for check in made.asset_checks or ()],
            jobs=made.jobs,
            schedules=made.schedules,
            sensors=made.sensors,
            resources=made.resources,
            executor=made.executor,
        )


def _build(settings: Settings) -> dg.Definitions:
    partitions = Partitions(settings.windows.grid)
    delay_minutes = settings.windows.delay_minutes
    http = settings.messaging.http
    # Without the secret their calls are refused, so there are no lists to read.
    has_legacy_nodes = settings.webhooks.emarsys_legacy_secret is not None
    lineage = ColumnLineage.of(settings)
    assets: list[dg.AssetsDefinition | dg.AssetSpec] = [
        build_import_assets(settings, partitions),
        *build_messaging_assets(settings, partitions),
        build_automation_events_asset(settings, partitions),
        *([build_automation_lists_asset(settings, partitions)] if has_legacy_nodes else []),
        build_identity_asset(settings, partitions),
        build_delta_asset(settings, partitions),
        build_drift_asset(settings, partitions),
        build_push_asset(settings),
        build_upsert_asset(settings, partitions),
        *([] if http is None else [build_upsert_push_asset(settings, http)]),
        *build_view_specs(settings, lineage),
    ]
    return dg.Definitions(
        assets=label(assets, settings, lineage),
        asset_checks=[
            build_newest_window_check(partitions, delay_minutes=delay_minutes),
            build_readiness_check(settings),
            statuses_understood,
        ],
        jobs=[
            SEGMENT_IMPORT,
            SEGMENT_RECONCILIATION,
            ACCOUNT_READY,
            OPT_IN_SYNC,
            OPT_IN_PUSH,
            OPT_IN_RECONCILIATION,
            build_retention_job(settings),
            build_maintenance_job(settings),
            AUTOMATION_INGEST,
            *([] if http is None else [CONTACT_UPSERT_PUSH]),
            *([AUTOMATION_LIST_FETCH] if has_legacy_nodes else []),
            *build_action_jobs(settings),
        ],
        schedules=[
            build_import_schedule(
                partitions, delay_minutes=delay_minutes, runs_per=settings.imports.runs_per
            ),
            build_reconciliation_schedule(settings),
            build_retention_schedule(settings),
            build_maintenance_schedule(settings),
        ],
        sensors=[
            build_catalogue_sensor(settings, partitions),
            build_opt_in_sensor(settings, partitions),
            build_automation_inbox_sensor(partitions),
            *([] if http is None else [build_upsert_sensor(http)]),
            *([build_automation_lists_sensor()] if has_legacy_nodes else []),
            build_automation_sensor(),
            build_alert_sensor(settings),
        ],
        resources=build_resources(settings),
        # One process per run: seconds instead of tens of seconds, and one DuckDB instance.
        executor=dg.in_process_executor,
    )
