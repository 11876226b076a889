"""``emarsys-pipeline metrics``: where everything stands, as Prometheus reads it."""

import contextlib
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from prometheus_client import (
    CollectorRegistry,
    generate_latest,
    start_http_server,
    write_to_textfile,
)
from prometheus_client.metrics_core import GaugeMetricFamily as Gauge
from prometheus_client.registry import Collector

from emarsys_pipeline.cli.options import Config
from emarsys_pipeline.cli.standing import Standing, look
from emarsys_pipeline.cli.terminal import errors
from emarsys_pipeline.clock import utc_now
from emarsys_pipeline.settings import Settings, load_settings

PREFIX = "emarsys_pipeline_"
# Outcomes after which nothing more happens to a value.
SETTLED = {"accepted", "dead letter", "superseded"}


def metrics(
    *,
    config: Config = None,
    port: Annotated[
        int | None,
        typer.Option(
            "--serve", metavar="PORT", help="Serve /metrics on this machine until Ctrl-C."
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--to",
            metavar="FILE",
            help="Write this file in one step, for node_exporter's textfile collector.",
        ),
    ] = None,
) -> None:
    """Print metrics in Prometheus's text format, or serve them, or write them to a file.

    Example: **emarsys-pipeline metrics --serve 9126**

    The webhook service has metrics of its own, at its /metrics.
    """
    registry = CollectorRegistry()
    registry.register(StandingCollector(load_settings(config)))
    if file is not None:
        write_to_textfile(str(file), registry)
        return
    if port is None:
        typer.echo(generate_latest(registry).decode(), nl=False)
        return
    server, _ = start_http_server(port, addr="127.0.0.1", registry=registry)
    errors.print(f"metrics: http://127.0.0.1:{server.server_port}/metrics   (Ctrl-C stops it)")
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()


class StandingCollector(Collector):
    """Looks each time it is asked."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def describe(self) -> list[Gauge]:
        """Nothing: registering must not look."""
        return []

    def collect(self) -> Iterator[Gauge]:
        """All metrics of one look."""
        found = look(self._settings)
        for gauge in (*_of_segments(found), *_of_opt_ins(found), *_of_dagster(found)):
            if gauge.samples:
                yield gauge


def _gauge(name: str, text: str, labels: list[str], rows: list[tuple[list[str], float]]) -> Gauge:
    gauge = Gauge(f"{PREFIX}{name}", text, labels=labels)
    for values, number in rows:
        gauge.add_metric(values, number)
    return gauge


def _seconds(moment: datetime) -> float:
    return moment.timestamp()


def _of_segments(found: Standing) -> Iterator[Gauge]:
    yield _gauge(
        "published_timestamp_seconds",
        "When the analysts' copy was published",
        [],
        [([], _seconds(found.published_at))] if found.published_at else [],
    )
    yield _gauge(
        "segment_windows_behind",
        "Ended windows since the newest import of a segment",
        ["segment"],
        [([segment], number) for segment, number in found.windows_behind.items()],
    )
    yield _gauge(
        "segment_last_import_timestamp_seconds",
        "When the newest import of a segment landed",
        ["segment"],
        [([row["segment"]], _seconds(row["landed at"])) for row in found.segments],
    )
    yield _gauge(
        "segment_contacts",
        "Contacts in a segment at its newest import",
        ["segment"],
        [([row["segment"]], row["contacts"]) for row in found.segments],
    )
    yield _gauge(
        "contacts_with_rejected_values_ratio",
        "Share of imported contacts with a value that could not be converted",
        ["account"],
        [
            ([row["account"]], row["with a rejected value"] / row["contacts"])
            for row in found.rejected
            if row["contacts"]
        ],
    )


def _of_opt_ins(found: Standing) -> Iterator[Gauge]:
    now = utc_now()
    yield _gauge(
        "opt_in_values",
        "Contacts by the outcome of their newest opt-in value",
        ["account", "outcome"],
        [([row["account"], row["outcome"]], row["opt-in values"]) for row in found.outbox],
    )
    accounts = sorted({row["account"] for row in found.outbox})
    waiting = [row for row in found.outbox if row["outcome"] not in SETTLED]
    oldest = {
        account: min((row["oldest"] for row in waiting if row["account"] == account), default=now)
        for account in accounts
    }
    yield _gauge(
        "outbox_oldest_age_seconds",
        "Age of the oldest opt-in value that Emarsys has not settled, 0 for none",
        ["account"],
        [([account], (now - moment).total_seconds()) for account, moment in oldest.items()],
    )
    yield _gauge(
        "dead_letters",
        "Opt-in values that Emarsys refused for good",
        ["account"],
        [
            (
                [account],
                sum(
                    row["opt-in values"]
                    for row in found.outbox
                    if row["account"] == account and row["outcome"] == "dead letter"
                ),
            )
            for account in accounts
        ],
    )
    yield _gauge(
        "inbox_messages",
        "Messages kept in the inbox; poison: bodies that could not be read",
        ["kind"],
        [([kind], number) for kind, number in found.inbox.items()],
    )
    yield _gauge(
        "inbox_unread_messages",
        "Messages that no published run has taken in",
        [],
        [([], found.unread)],
    )


def _of_dagster(found: Standing) -> Iterator[Gauge]:
    yield _gauge(
        "job_last_success_timestamp_seconds",
        "End of the last successful run of a job",
        ["job"],
        [([job], _seconds(moment)) for job, moment in found.last_success.items()],
    )
    yield _gauge(
        "alerts_open", "Failures that have not passed", [], [([], len(found.alerts["open"]))]
    )
    yield _gauge(
        "alerts_waiting",
        "Messages that a target has not taken",
        ["target"],
        [([name], target["waiting"]) for name, target in found.alerts["targets"].items()],
    )
    if found.health is None:
        return
    yield _gauge(
        "daemon_alive",
        "Whether Dagster's daemon has given a sign of life in the last 5 minutes",
        [],
        [([], found.health.is_daemon_alive(utc_now()))],
    )
    automations = found.health.automations
    yield _gauge(
        "automation_on",
        "Whether a schedule or sensor is on",
        ["kind", "name"],
        [([each.kind, each.name], each.is_on) for each in automations],
    )
    yield _gauge(
        "automation_failing",
        "Whether the last tick of a schedule or sensor failed",
        ["kind", "name"],
        [([each.kind, each.name], each.is_failing) for each in automations],
    )
    yield _gauge(
        "automation_last_tick_timestamp_seconds",
        "When a schedule or sensor last looked",
        ["kind", "name"],
        [
            ([each.kind, each.name], _seconds(each.last_tick_at))
            for each in automations
            if each.last_tick_at
        ],
    )
