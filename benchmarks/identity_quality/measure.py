"""Imports a sandbox account as the demo does, and judges identities by the sandbox's persons."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from emarsys_pipeline.cli.demo_account import write_settings
from emarsys_pipeline.cli.identity_quality import (
    IdentityQuality,
    add_true_persons,
    measure_quality,
)
from emarsys_pipeline.connect import connect
from emarsys_pipeline.inbox import Inbox, parse_message
from emarsys_pipeline.sandbox.process import Sandbox
from emarsys_pipeline.settings import Settings, StitchingSettings
from emarsys_pipeline.stages.mapped_contacts import map_segment
from emarsys_pipeline.stages.platform_contacts import ingest_platform_contacts
from emarsys_pipeline.stages.raw_segment_exports import import_account
from emarsys_pipeline.stages.stitched_identities.identity_map import map_records
from emarsys_pipeline.warehouse import Warehouse, load_sql
from emarsys_pipeline.windows import Window

NO_LIMIT = 10**9
DEFAULT = StitchingSettings()
# Normalisation stays: without it there is nothing to compare.
UNGUARDED = StitchingSettings(
    block_placeholders=False,
    max_contacts_per_identifier=NO_LIMIT,
    max_contacts_per_identity=NO_LIMIT,
    messaging_conflict="merge",
)
VARIANTS: dict[str, StitchingSettings] = {
    "no guard": UNGUARDED,
    "placeholders blocked": UNGUARDED.model_copy(update={"block_placeholders": True}),
    "identifier cap 10": UNGUARDED.model_copy(update={"max_contacts_per_identifier": 10}),
    "identity cap 16": UNGUARDED.model_copy(update={"max_contacts_per_identity": 16}),
    "conflicts quarantined": UNGUARDED.model_copy(update={"messaging_conflict": "quarantine"}),
    "default settings": DEFAULT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """How many contacts hold what makes stitching hard.

    ``sharing`` an identifier with another person, ``with_junk``: an invalid or placeholder value,
    ``chained``: linked to the first contact of their person through others only.
    """

    contacts: int
    sharing: int
    with_junk: int
    chained: int


def import_all(sandbox: Sandbox, home: Path) -> tuple[Settings, Window]:
    """Import the demo's segments and the messaging side's contacts into a warehouse at ``home``."""
    settings = write_settings(home, sandbox, datetime.now(UTC))
    window = settings.windows.grid.at(settings.windows.grid.start)
    warehouse = Warehouse(settings.warehouse_directory, publish_interval_seconds=NO_LIMIT)
    warehouse.migrate()
    account = settings.accounts[0]
    segments = [reference.id or "" for reference in account.segments]
    with connect(account, rate_limit=settings.rate_limit_path) as client:
        outcomes = import_account(
            warehouse,
            client,
            account,
            segments,
            window,
            imports=settings.imports,
            downloads=settings.downloads,
            run_id="benchmark",
        )
    failures = [outcome for outcome in outcomes.values() if isinstance(outcome, Exception)]
    if failures:
        raise failures[0]
    for segment in segments:
        map_segment(
            warehouse,
            account,
            segment,
            window,
            property_types=settings.property_types,
            run_id="benchmark",
        )
    with Inbox(settings.inbox_path) as inbox:
        contacts = [parse_message("contact", row) for row in sandbox.platform_contacts()]
        inbox.put(contacts, source="file", received_at=window.end - timedelta(seconds=1))
        ingest_platform_contacts(warehouse, inbox, window, default_region=account.default_region)
    shutil.rmtree(settings.downloads, ignore_errors=True)
    return settings, window


def judge(
    settings: Settings, window: Window, sandbox: Sandbox
) -> tuple[dict[str, IdentityQuality], Shares]:
    """Stitch with each variant of the guards, and compare with the sandbox's persons."""
    warehouse = Warehouse(settings.warehouse_directory, publish_interval_seconds=NO_LIMIT)
    persons = sandbox.truth()["persons"]
    found: dict[str, IdentityQuality] = {}
    for name, stitching in VARIANTS.items():
        with warehouse.read() as connection:
            add_true_persons(connection, settings.accounts[0].name, persons)
            map_records(connection, window.start, stitching)
            connection.execute("create temp view judged_identities as from identity_map")
            found[name] = measure_quality(connection)
            if stitching is DEFAULT:
                (row,) = connection.execute(load_sql(__package__, "shares.sql")).fetchall()
    return found, Shares(**dict(zip(Shares.__slots__, row, strict=True)))
