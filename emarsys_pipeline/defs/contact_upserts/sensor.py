"""The sensor of the outbox to the messaging platform."""

from datetime import UTC, datetime

import dagster as dg

from emarsys_pipeline.defs.jobs import CONTACT_UPSERT_PUSH
from emarsys_pipeline.defs.labels import OWNERS
from emarsys_pipeline.defs.opt_in.sensor import ATTEMPT_TAG, STARTED_BY_TAG, last_run
from emarsys_pipeline.defs.resources import WarehouseResource
from emarsys_pipeline.settings import MessagingHttpSettings
from emarsys_pipeline.stages.contact_upsert_pushes import contact_upserts_due
from emarsys_pipeline.warehouse import Warehouse

SENSOR = "contact_upserts"


def build_upsert_sensor(http: MessagingHttpSettings) -> dg.SensorDefinition:
    """The sensor; on by default, and there only with messaging.http."""

    @dg.sensor(
        name=SENSOR,
        job=CONTACT_UPSERT_PUSH,
        minimum_interval_seconds=http.sensor_interval_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        owners=OWNERS,
        description=(
            "Looks into the outbox to the messaging platform. Upserts that are due (after "
            "stitching, after a refusal that may pass, without an answer) start "
            "contact_upsert_push. Stopped, nothing is lost: upserts stay in the outbox."
        ),
    )
    def contact_upserts(
        context: dg.SensorEvaluationContext, warehouse: WarehouseResource
    ) -> dg.RunRequest | dg.SkipReason:
        return evaluate(context.instance, warehouse.without_migration(), http, datetime.now(UTC))

    return contact_upserts


def evaluate(
    instance: dg.DagsterInstance,
    warehouse: Warehouse,
    http: MessagingHttpSettings,
    now: datetime,
) -> dg.RunRequest | dg.SkipReason:
    """Ask for a drain of the outbox if the published copy shows that something is due."""
    push = last_run(instance, CONTACT_UPSERT_PUSH.name, started_by=SENSOR)
    if push is not None and push.is_unfinished:
        return dg.SkipReason("A run that sends contact upserts is on its way.")
    attempt = 1
    if push is not None and push.has_failed:
        if not push.may_repeat(now, http.retry_base_seconds):
            return dg.SkipReason(
                "The last contact_upsert_push failed; it is repeated after a wait."
            )
        attempt = push.attempt + 1
    warehouse.publish_pending()
    if not warehouse.is_published:
        return dg.SkipReason("Nothing was imported yet.")
    if not contact_upserts_due(warehouse, now, settle_after_seconds=http.settle_after_seconds):
        return dg.SkipReason("No contact upsert is due.")
    return dg.RunRequest(tags={STARTED_BY_TAG: SENSOR, ATTEMPT_TAG: str(attempt)})
