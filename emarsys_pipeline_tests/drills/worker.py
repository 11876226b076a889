"""A process that does what the opt-in sensor's runs do, again and again, and may die on the way.

It takes decisions out of the inbox, derives deltas and drains the outbox, by the very functions
that the Dagster assets call. Told to, it kills itself with SIGKILL at a named point.
"""

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import psycopg

from emarsys_pipeline import storage
from emarsys_pipeline.connect import connect
from emarsys_pipeline.defs import resources
from emarsys_pipeline.defs.opt_in.drain import OutboxDrain
from emarsys_pipeline.emarsys import EmarsysClient, RetrySettings
from emarsys_pipeline.emarsys.errors import EmarsysError
from emarsys_pipeline.inbox import Inbox
from emarsys_pipeline.postgresql import DatabaseError
from emarsys_pipeline.settings import Settings, load_settings
from emarsys_pipeline.stages.consent_events import ingest_consent_events
from emarsys_pipeline.stages.opt_in_deltas import derive_opt_in_deltas
from emarsys_pipeline.stages.opt_in_pushes import intents, push, refresh
from emarsys_pipeline.stages.progress import no_progress
from emarsys_pipeline.warehouse import LakeError, LockLostError, Warehouse, publish
from emarsys_pipeline.warehouse.lake_engine import LakeEngine

QUICK = RetrySettings(total_seconds=2, wait_factor=0.01)
# Soon enough to meet a request that is on its way.
IN_FLIGHT_SECONDS = 0.01

# Where a worker can be told to die: what is patched, and whether it dies before or after it.
POINTS: dict[str, tuple[Any, str, str]] = {
    "decisions are in the ledger, not committed": (refresh, "add_consent_events", "after"),
    "deltas are derived, not committed": (refresh, "add_opt_in_deltas", "after"),
    "intents are written, not committed": (intents, "_batch", "after"),
    "intents are committed, nothing is sent": (push, "record_intents", "after"),
    "the request is on its way": (EmarsysClient, "update_contacts", "during"),
    "the answer is there, not recorded": (EmarsysClient, "update_contacts", "after"),
    "outcomes are recorded": (push, "_record_outcomes", "after"),
    "before a read-back": (EmarsysClient, "get_contacts", "before"),
    "read back, not recorded": (EmarsysClient, "get_contacts", "after"),
}
# Commits are the engine's, and only a file has a copy for the analysts.
POINTS_OF_FILE: dict[str, tuple[Any, str, str]] = {
    **POINTS,
    "before any commit": (publish.PublishedCopy, "mark_pending", "after"),
    "after any commit": (publish.PublishedCopy, "is_due", "before"),
    "while the analysts' copy is made": (publish, "_create_views", "before"),
    "the analysts' copy is replaced": (publish.PublishedCopy, "publish", "after"),
}
POINTS_OF_LAKE: dict[str, tuple[Any, str, str]] = {
    **POINTS,
    "before any commit": (LakeEngine, "before_commit", "after"),
    "after any commit": (LakeEngine, "after_commit", "before"),
}
# What a run may fail with, to be repeated, while its database or its session is taken away.
OUTAGES = (DatabaseError, LakeError, LockLostError, duckdb.Error, psycopg.Error)


def die() -> None:
    """End as the kernel ends a process when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_at(point: tuple[Any, str, str], hits: int) -> None:
    """Arrange to die when this point is reached for the ``hits``-th time."""
    owner, name, when = point
    original: Callable[..., Any] = getattr(owner, name)
    left = [hits]

    def patched(*arguments: Any, **more: Any) -> Any:
        left[0] -= 1
        is_last = left[0] <= 0
        if is_last and when == "before":
            die()
        if is_last and when == "during":
            threading.Timer(IN_FLIGHT_SECONDS, die).start()
        result = original(*arguments, **more)
        if is_last and when == "after":
            die()
        return result

    setattr(owner, name, patched)


def work(
    settings_path: Path,
    stop: Path | None,
    point: str | None = None,
    hits: int = 1,
    *,
    environment: Mapping[str, str],
    survives_outages: bool = False,
) -> None:
    """Sync until a file says stop, or, without one, until there is nothing left to do.

    A file beside the settings, ``ready-`` and the process id, says that it has begun.

    Args:
        settings_path: the settings file.
        stop: the file.
        point: where to die.
        hits: when it is reached for the how-manieth time.
        environment: what the settings name; that of the process from which this one is forked
            may be of an earlier drill.
        survives_outages: a sync that fails with the database is repeated, as a run is.
    """
    os.environ.update(environment)
    resources.connect = partial(connect, retries=QUICK)  # type: ignore[attr-defined]
    try:
        settings = load_settings(settings_path)
        if point is not None:
            die_at((POINTS_OF_FILE if settings.lake is None else POINTS_OF_LAKE)[point], hits)
        warehouse = storage.open_warehouse(settings)
        settings_path.with_name(f"ready-{os.getpid()}").touch()
        with storage.open_inbox(settings) as inbox:
            while True:
                with suppress(*OUTAGES if survives_outages else ()):
                    sync(settings, warehouse, inbox)
                    if stop is None and is_quiet(warehouse, inbox):
                        return
                if stop is not None and stop.exists():
                    return
                time.sleep(0.05)
    except Exception:  # noqa: BLE001 - told to the drill, whatever it is
        traceback.print_exc()
        sys.exit(3)


def sync(settings: Settings, warehouse: Warehouse, inbox: Inbox) -> None:
    """What one run of the job opt_in_sync does."""
    window = settings.windows.grid.at(datetime.now(UTC))
    ingest_consent_events(
        warehouse, inbox, window, default_region=settings.accounts[0].default_region
    )
    derive_opt_in_deltas(warehouse, window, accounts=settings.accounts, run_id="drill")
    drain = OutboxDrain(
        settings=settings,
        warehouse=warehouse,
        inbox=inbox,
        emarsys=resources.build_resources(settings)["emarsys"],  # type: ignore[arg-type]
        run_id="drill",
        progress=no_progress,
    )
    for error in drain.push()[1].values():
        # A run that fails so is red in the UI, and repeated; anything else is a bug.
        if not isinstance(error, EmarsysError):
            raise error


def is_quiet(warehouse: Warehouse, inbox: Inbox) -> bool:
    """Whether every message is in the ledger and every delta has an outcome that stays."""
    with warehouse.read() as connection:
        ((ingested, open_deltas),) = connection.execute(
            "select (select count(*) from consent_events), (select count(*) from"
            " opt_in_deliveries where outcome in ('pending', 'sending', 'unknown')"
            " or (outcome = 'rejected' and is_retryable and delta_id in (select delta_id from"
            " opt_in_deltas qualify row_number() over (partition by account, contact_id, field_id"
            " order by derived_at desc, delta_id) = 1)))"
        ).fetchall()
    return bool(ingested == inbox.counts["consent"] and open_deltas == 0)
