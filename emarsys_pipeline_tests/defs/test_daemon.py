"""The whole pipeline under the real daemon, with windows of a minute.

The sensor looks every 5 s here, so that the test is short; ``SENSOR_INTERVAL_SECONDS=30`` in the
environment measures with the default of the settings. ``-s`` shows the seconds that passed.
"""

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from emarsys_pipeline.inbox import Inbox, parse_message
from emarsys_pipeline.sandbox.process import Sandbox, running_sandbox
from emarsys_pipeline_tests.defs.dagster_dev import DagsterDev, running_dagster

OPT_IN_FIELD = "10500"
# The default interval of the sensor, and the daemon's own pace.
FIRST_TICK_SECONDS = 30 + 5

SETTINGS = """
home: {home}
windows: {{start: {start}, length_minutes: 1, delay_minutes: 0}}
accounts:
  - name: shop_de
    base_url: {url}
    connection:
      auth: wsse
      username: ${{TEST_EMARSYS_USERNAME}}
      secret: ${{TEST_EMARSYS_SECRET}}
    default_region: DE
    segments: [100400101, {{name: "VIP customers"}}]
    fields:
      - {{emarsys: 3, as: email, identifier: email}}
      - {{emarsys: 37, as: mobile, identifier: phone}}
    opt_in: {{field: "WhatsApp opt-in"}}
imports: {{catalogue_interval_seconds: 5, export_poll_seconds: 0.1}}
pushes: {{sensor_interval_seconds: {interval}}}
publish: {{min_interval_seconds: 1}}
"""

RUNS = """
query Runs {
  runsOrError(limit: 100) {
    ... on Runs {
      results { jobName status creationTime assetSelection { path } tags { key value } }
    }
  }
}
"""

PARTITIONS = """
query Partitions($asset: [String!]!) {
  assetNodeOrError(assetKey: {path: $asset}) {
    ... on AssetNode { partitionStats { numMaterialized numFailed } }
  }
}
"""


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox(contacts=300) as running:
        yield running


def _decide(sandbox: Sandbox, inbox: Inbox, count: int) -> int:
    """Let people grant consent; how many decisions are in the inbox now."""
    messages = [parse_message("consent", row) for row in sandbox.decide("granted", count=count)]
    return inbox.put(messages, source="webhook").accepted


def _succeeded(dagster: DagsterDev, *, started_by: tuple[str, str], asset: str) -> list[Any]:
    """Successful runs that this schedule or sensor started and that include this asset."""
    key, name = started_by
    jobs = {
        "raw_segment_exports": "segment_import",
        "opt_in_pushes": "opt_in_sync",
    }
    return [
        run
        for run in dagster.query(RUNS)["runsOrError"]["results"]
        if run["status"] == "SUCCESS"
        and {"key": key, "value": name} in run["tags"]
        and (
            run["jobName"] == jobs.get(asset) or {"path": [asset]} in (run["assetSelection"] or [])
        )
    ]


@pytest.mark.slow
def test_schedule_sensors_and_automation_carry_data_to_emarsys_by_themselves(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    settings_path = tmp_path / "emarsys_pipeline.yaml"
    settings_path.write_text(
        SETTINGS.format(
            home=tmp_path / "home",
            interval=os.environ.get("SENSOR_INTERVAL_SECONDS", "5"),
            url=sandbox.url,
            # A few windows: the daemon looks through all of them again and again.
            start=f"{datetime.now(UTC) - timedelta(minutes=5):%Y-%m-%dT%H:%M}:00Z",
        )
    )
    environment = {
        "EMARSYS_PIPELINE_CONFIG": str(settings_path),
        "TEST_EMARSYS_USERNAME": sandbox.username,
        "TEST_EMARSYS_SECRET": sandbox.secret,
    }
    before = sandbox.field_values(OPT_IN_FIELD)

    with (
        running_dagster(tmp_path / "dagster", environment) as dagster,
        Inbox(tmp_path / "home" / "inbox.sqlite") as inbox,
    ):

        def runs(kind: str, name: str, asset: str) -> list[Any]:
            return _succeeded(dagster, started_by=(f"dagster/{kind}_name", name), asset=asset)

        dagster.wait_for(
            "initial import of the new segments",
            lambda: runs("sensor", "segment_catalogue", "raw_segment_exports"),
            seconds=120,
        )
        dagster.wait_for(
            "stitching",
            lambda: runs("sensor", "stage_automation", "stitched_identities"),
            seconds=120,
        )
        assert _decide(sandbox, inbox, 20) == 20
        durable_at, clock = time.time(), time.monotonic()
        # The promise to people: a decision is in Emarsys within a minute.
        dagster.wait_for(
            "granted value in Emarsys",
            lambda: sandbox.field_values(OPT_IN_FIELD) != before,
            seconds=60,
        )
        arrived_after = time.monotonic() - clock
        requested_after = (
            min(
                run["creationTime"]
                for run in dagster.query(RUNS)["runsOrError"]["results"]
                if run["jobName"] == "opt_in_sync" and run["creationTime"] > durable_at
            )
            - durable_at
        )
        print(f"run requested after {requested_after:.1f} s, value after {arrived_after:.1f} s")  # noqa: T201
        assert requested_after <= FIRST_TICK_SECONDS
        dagster.wait_for(
            "import by the schedule",
            lambda: runs("schedule", "segment_import_schedule", "raw_segment_exports"),
            seconds=180,
        )
        dagster.wait_for(
            "derivation after stitching",
            lambda: runs("sensor", "stage_automation", "opt_in_deltas"),
            seconds=180,
        )

        stats = dagster.query(PARTITIONS, asset=["mapped_contacts"])["assetNodeOrError"]
        after = sandbox.field_values(OPT_IN_FIELD)

    assert stats["partitionStats"]["numFailed"] == 0
    assert stats["partitionStats"]["numMaterialized"] >= 2
    assert {after[each] for each in after if after[each] != before[each]} == {"granted"}
