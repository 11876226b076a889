"""A deployment with a history to look at: two windows of two segments, consent, pushes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import dagster as dg

from emarsys_pipeline.defs.build import build_definitions
from emarsys_pipeline.defs.partitions import SEGMENTS_NAME, import_range_tags
from emarsys_pipeline.inbox import Inbox, parse_message
from emarsys_pipeline.sandbox.process import Sandbox, running_sandbox
from emarsys_pipeline.settings import Settings, load_settings
from emarsys_pipeline.windows import Window
from emarsys_pipeline_tests.defs.dagster_dev import ROOT, DagsterDev, running_dagster
from emarsys_pipeline_tests.defs.running import run_assets, run_job

NEWSLETTER, VIP = "shop_de-100400101", "shop_de-100400102"

SETTINGS = """
home: {home}
windows: {{start: {start}}}
accounts:
  - name: shop_de
    base_url: {url}
    connection:
      auth: wsse
      username: ${{TEST_EMARSYS_USERNAME}}
      secret: ${{TEST_EMARSYS_SECRET}}
    default_region: DE
    segments: [100400101, 100400102]
    fields:
      - {{emarsys: 1, as: first_name}}
      - {{emarsys: 2, as: last_name}}
      - {{emarsys: 3, as: email, identifier: email}}
      - {{emarsys: 37, as: mobile, identifier: phone}}
      - {{emarsys: 11, as: city}}
    opt_in: {{field: "WhatsApp opt-in"}}
imports: {{export_poll_seconds: 0.05}}
publish: {{min_interval_seconds: 0}}
"""


RUNS = """
query Runs($job: String!) {
  runsOrError(filter: {pipelineName: $job, tags: [{key: "dagster/sensor_name", value: "opt_in"}]}) {
    ... on Runs { results { status } }
  }
}
"""


@dataclass(frozen=True, slots=True)
class FilledHome:
    """A running Dagster over the history.

    Attributes:
        dagster: the running Dagster.
        windows: the two imported windows, oldest first.
        last_import: run id of the import of the newest window.
    """

    dagster: DagsterDev
    windows: tuple[Window, Window]
    last_import: str


@contextmanager
def filled_home(folder: Path, *, has_failure: bool) -> Iterator[FilledHome]:
    """Fill a home by runs in this process, then serve it with ``dagster dev``.

    Args:
        folder: an empty folder for everything.
        has_failure: whether the segment of VIP customers fails in the newest window, because
            the API user lacks a permission.
    """
    with running_sandbox(contacts=600) as sandbox:
        path = folder / "emarsys_pipeline.yaml"
        now = datetime.now(UTC)
        opened = now.replace(hour=now.hour // 12 * 12, minute=0, second=0, microsecond=0)
        start = (opened - timedelta(days=1)).isoformat()
        path.write_text(SETTINGS.format(home=folder / "home", start=start, url=sandbox.url))
        environment = {
            "EMARSYS_PIPELINE_CONFIG": str(path),
            "TEST_EMARSYS_USERNAME": sandbox.username,
            "TEST_EMARSYS_SECRET": sandbox.secret,
        }
        home = folder / "dagster"
        home.mkdir()
        (home / "dagster.yaml").symlink_to(ROOT / "dagster.yaml")
        with mock.patch.dict("os.environ", environment):
            settings = load_settings(path)
            with dg.DagsterInstance.from_config(str(home)) as instance:
                windows, run_id = _fill(settings, instance, sandbox, has_failure=has_failure)
        with running_dagster(home, environment) as dagster:
            # The sensor finds messages that it has not seen; pages stand still after its run.
            dagster.wait_for("the sensor's run", lambda: _sensor_has_run(dagster), seconds=180)
            yield FilledHome(dagster, windows, run_id)


def _fill(
    settings: Settings, instance: dg.DagsterInstance, sandbox: Sandbox, *, has_failure: bool
) -> tuple[tuple[Window, Window], str]:
    definitions = build_definitions(settings)
    grid = settings.windows.grid
    newest = grid.newest_closed(datetime.now(UTC))
    assert newest is not None
    previous = grid.at(newest.start - grid.length)
    instance.add_dynamic_partitions(SEGMENTS_NAME, [NEWSLETTER, VIP])
    _receive(settings, sandbox)
    opened = grid.at(datetime.now(UTC))
    run_assets(definitions, instance, ["platform_contacts", "consent_events"], opened.key)
    run_id = ""
    for window in (previous, newest):
        if window is newest:
            sandbox.advance("12h")
            if has_failure:
                sandbox.set_fault("forbidden", segment="100400102", times=None)
        tags = import_range_tags([NEWSLETTER, VIP], window)
        run_id = run_job(definitions, instance, "segment_import", tags=tags).run_id
        for asset in ("stitched_identities", "opt_in_deltas"):
            assert run_assets(definitions, instance, [asset], window.key).success
    assert run_job(definitions, instance, "opt_in_sync", partition=opened.key).success
    return (previous, newest), run_id


def _receive(settings: Settings, sandbox: Sandbox) -> None:
    """Put contacts and decisions of the messaging side into the inbox."""
    contacts = [parse_message("contact", row) for row in sandbox.platform_contacts()]
    decided = [*sandbox.decide("granted", count=40), *sandbox.decide("withdrawn", count=10)]
    decisions = [parse_message("consent", row) for row in decided]
    with Inbox(settings.inbox_path) as inbox:
        inbox.put(contacts, source="file")
        inbox.put(decisions, source="webhook")


def _sensor_has_run(dagster: DagsterDev) -> bool:
    runs = dagster.query(RUNS, job="opt_in_sync")["runsOrError"]["results"]
    return bool(runs) and all(run["status"] == "SUCCESS" for run in runs)
