"""The sensor that tells people of failed runs, failed checks, and failing schedules and sensors.

Dagster's own ``run_failure_sensor`` moves on when sending fails, so that the alert is lost, and it
does not see checks, whose failure leaves the run a success. This one reads the outcome of every run
from the event log into the book of alerts, and sends from there.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.event_api import EventLogCursor, EventLogRecord

from emarsys_pipeline.alerts import Alert, AlertBook, Finding, deliver
from emarsys_pipeline.defs.alerts.findings import finding_of_automation, findings_of_run
from emarsys_pipeline.defs.health import look_at_automations
from emarsys_pipeline.defs.labels import OWNERS
from emarsys_pipeline.settings import AlertSettings, Settings

SENSOR = "alerts"
PAGE = 200
# In PostgreSQL an event may become visible after one with a higher id: look again at the last ones.
OVERLAP = 1000
# A book that is begun tells of the last day, not of years.
FIRST_LOOK = timedelta(days=1)
READING_SECONDS = 20.0
SEVERITIES = {"warning": {"warning", "error"}, "error": {"error"}}


def build_alert_sensor(settings: Settings) -> dg.SensorDefinition:
    """The sensor; on by default, and idle while no target is configured."""
    alerts = settings.alerts

    @dg.sensor(
        name=SENSOR,
        minimum_interval_seconds=alerts.interval_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        owners=OWNERS,
        description=(
            "Tells the targets of the settings' alerts when a run or a check fails, when a "
            "schedule or sensor fails, and when it is well again. What a target does not take "
            "waits and is sent again. Stopped, nothing is lost: it is told once it runs again."
        ),
    )
    def alert_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        if not alerts.targets:
            return dg.SkipReason("No target: nobody is told. See alerts in the settings file.")
        with AlertBook(settings.alerts_path) as book:
            made = take_notice(context.instance, book, alerts)
            delivered = deliver(book, alerts.targets)
        text = f"{made} new messages; {delivered.sent} sent."
        return dg.SkipReason(" ".join([text, *delivered.failed]))

    return alert_sensor


def take_notice(instance: dg.DagsterInstance, book: AlertBook, alerts: AlertSettings) -> int:
    """Write down what happened since the last look; returns how many messages that makes."""
    deadline = time.monotonic() + READING_SECONDS
    made = 0
    for record in _outcomes(instance, book):
        run_id = record.event_log_entry.run_id
        if book.is_handled(run_id):
            continue
        run = instance.get_run_by_id(run_id)
        findings = [] if run is None else findings_of_run(instance, run)
        made += _record(book, alerts, list(findings), run=(run_id, record.storage_id))
        if time.monotonic() > deadline:
            break
    automations = [each for each in look_at_automations(instance) if each.name != SENSOR]
    return made + _record(book, alerts, [finding_of_automation(each) for each in automations])


def _record(
    book: AlertBook,
    alerts: AlertSettings,
    findings: list[Finding],
    *,
    run: tuple[str, int] | None = None,
) -> int:
    told = {"resolved", *SEVERITIES[alerts.minimum_severity]}
    return book.record(
        [finding for finding in findings if finding.severity in told],
        targets=[target.name for target in alerts.targets],
        compose=lambda finding, alert_id, repeated: Alert.of(
            finding,
            alert_id=alert_id,
            repeated=repeated,
            ui_url=alerts.ui_url,
            docs_url=alerts.docs_url,
        ),
        repeat_after=timedelta(hours=alerts.repeat_after_hours),
        run=run,
    )


def _outcomes(instance: dg.DagsterInstance, book: AlertBook) -> Iterator[EventLogRecord]:
    """Ends of runs that may be new, in the order of the event log."""
    newest = book.newest_storage_id()
    since = None if newest is not None else (datetime.now(UTC) - FIRST_LOOK).timestamp()
    records: list[EventLogRecord] = []
    for wanted in (
        dg.RunStatusChangeRecordsFilter(dg.DagsterEventType.RUN_SUCCESS, after_timestamp=since),
        dg.RunStatusChangeRecordsFilter(dg.DagsterEventType.RUN_FAILURE, after_timestamp=since),
    ):
        cursor = EventLogCursor.from_storage_id(max(0, (newest or 0) - OVERLAP)).to_string()
        has_more = True
        while has_more:
            page = instance.fetch_run_status_changes(wanted, PAGE, cursor=cursor, ascending=True)
            records += page.records
            cursor, has_more = page.cursor, page.has_more
    yield from sorted(records, key=lambda record: record.storage_id)
