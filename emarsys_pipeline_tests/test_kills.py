"""kill -9 at any moment of the way from Emarsys to the deltas changes nothing about its end."""

import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from emarsys_pipeline.clock import utc_now
from emarsys_pipeline.inbox import Inbox, parse_message
from emarsys_pipeline.sandbox.process import Sandbox, running_sandbox
from emarsys_pipeline.settings import StitchingSettings
from emarsys_pipeline.stages.consent_events import ingest_consent_events
from emarsys_pipeline.stages.mapped_contacts import map_segment
from emarsys_pipeline.stages.opt_in_deltas import derive_opt_in_deltas
from emarsys_pipeline.stages.platform_contacts import ingest_platform_contacts
from emarsys_pipeline.stages.raw_segment_exports import import_account
from emarsys_pipeline.stages.stitched_identities import stitch_identities
from emarsys_pipeline_tests.builders import GRID
from emarsys_pipeline_tests.stages.importing import ACCOUNT, CUSTOMERS, QUICK, READERS
from emarsys_pipeline_tests.stages.pushing import open_client
from emarsys_pipeline_tests.warehouse.processes import finish, start, started
from emarsys_pipeline_tests.warehouses import Warehouse

Place = tuple[Path, str, str, str, datetime]
KILLS = 4

# Columns that tell when, by whom or with which export something was done, and not what.
CIRCUMSTANCES = {
    *("run_id", "requested_at", "landed_at", "loaded_at", "derived_at", "applied_at", "seconds"),
    *("export_id", "export_ids", "api_calls", "bytes_downloaded"),
    "inputs",  # tells apart when rows were loaded
}
# Intents of killed runs stay on record, and the schema is not data.
NOT_COMPARED = {"export_intents", "schema_migrations"}


def go_the_way(place: Place) -> None:
    """Everything that runs do in a window, from the import to the deltas."""
    directory, url, username, secret, moment = place
    window = GRID.at(moment)
    types = {item.property: "varchar" for item in ACCOUNT.fields}
    warehouse = Warehouse(directory, publish_interval_seconds=3600)
    warehouse.migrate()
    with open_client(url, username, secret) as client:
        outcomes = import_account(
            warehouse,
            client,
            ACCOUNT,
            (READERS, CUSTOMERS),
            window,
            imports=QUICK,
            downloads=directory / "downloads",
            run_id="run",
        )
    for outcome in outcomes.values():
        if isinstance(outcome, Exception):
            raise outcome
    for segment_id in (READERS, CUSTOMERS):
        map_segment(warehouse, ACCOUNT, segment_id, window, property_types=types, run_id="run")
    with Inbox(directory / "inbox.sqlite") as inbox:
        ingest_platform_contacts(warehouse, inbox, window, default_region="DE")
        stitch_identities(
            warehouse, window, stitching=StitchingSettings(), property_types=types, run_id="run"
        )
        ingest_consent_events(warehouse, inbox, window, default_region="DE")
    derive_opt_in_deltas(warehouse, window, accounts=[ACCOUNT], run_id="run")
    warehouse.publish_pending(at_once=True)


def contents(path: Path, *, published: bool = False) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables, without their circumstances."""
    warehouse = Warehouse(path, publish_interval_seconds=3600)
    found = {}
    with warehouse.read_published() if published else warehouse.read() as connection:
        columns = connection.execute(
            "select table_name, list(column_name order by column_name) from duckdb_columns()"
            " where table_oid in (select table_oid from duckdb_tables()) group by table_name"
        ).fetchall()
        for table, names in columns:
            if table not in NOT_COMPARED:
                chosen = ", ".join(f'"{name}"' for name in names if name not in CIRCUMSTANCES)
                rows = connection.execute(f"select {chosen} from {table}").fetchall()  # noqa: S608 - names of ours
                found[table] = sorted(rows, key=repr)
    return found


def receive(directory: Path, sandbox: Sandbox, moment: datetime) -> None:
    """Put the messaging side's contacts and decisions into the inbox."""
    contacts = [parse_message("contact", row) for row in sandbox.platform_contacts()]
    decisions = [parse_message("consent", row) for row in sandbox.platform_consents()]
    with Inbox(directory / "inbox.sqlite") as inbox:
        inbox.put([*contacts, *decisions], source="file", received_at=moment)


@pytest.mark.slow
def test_a_run_killed_at_any_moment_ends_like_an_undisturbed_one(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    chance = random.Random(seed)  # noqa: S311 - no secret
    moment = GRID.at(utc_now()).start.astimezone(UTC)
    with running_sandbox(contacts=200) as sandbox:
        sandbox.decide("granted", count=40)
        sandbox.decide("withdrawn", count=15)
        calm, rough = tmp_path / "calm", tmp_path / "rough"
        for directory in (calm, rough):
            directory.mkdir()
            receive(directory, sandbox, moment)
        access = (sandbox.url, sandbox.username, sandbox.secret, moment)
        finish(start(go_the_way, (calm, *access)))
        for _ in range(KILLS):
            # The way takes some seconds.
            with started(go_the_way, (rough, *access)) as process:
                process.join(chance.uniform(0.05, 2.5))
        for _ in range(2):
            finish(start(go_the_way, (rough, *access)))
    expected = contents(calm)
    assert {table for table, rows in expected.items() if rows} >= {
        *("raw_segment_exports", "segment_imports", "mapped_contacts", "current_contacts"),
        *("platform_contacts", "consent_events", "identity_members", "identities"),
        *("identity_stitches", "opt_in_deltas"),
    }
    assert contents(rough) == expected
    assert contents(rough, published=True) == contents(calm, published=True)
