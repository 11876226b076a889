"""Compares the opt-in fields that Emarsys holds with the ledger.

Reads Emarsys (``contact/getdata``, a thousand contacts per request), current_contacts,
identity_members, consent_status and opt_in_deliveries; writes opt_in_readings of the contacts that
were read, opt_in_drift (one row per contact that shows another value than its person decided),
opt_in_reconciliations (one row) and, through the same derivation as ever, opt_in_deltas with the
reason ``reconciled``. Nothing is written to Emarsys here: the outbox does that.

A second run finds the repaired contacts in order. It stops when Emarsys refuses the account or
cannot be reached; what was read until then is kept.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import duckdb
import pyarrow as pa

from emarsys_pipeline.clock import Clock, utc_now
from emarsys_pipeline.emarsys import EmarsysClient
from emarsys_pipeline.settings import AccountSettings
from emarsys_pipeline.stages.opt_in_deltas import add_opt_in_deltas, opt_in_targets
from emarsys_pipeline.stages.progress import Progress, no_progress
from emarsys_pipeline.warehouse import Warehouse, load_sql
from emarsys_pipeline.windows import Window

logger = logging.getLogger(__name__)

CONTACTS_PER_REQUEST = 1000
_ALL = 2**62
_READ_BACK = pa.schema([("contact_id", pa.string()), ("value", pa.string())])


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """What one reconciliation of an account found, in contacts.

    Attributes:
        contacts: those that were read.
        missing: those that Emarsys no longer has.
        open_deliveries: those that differ because their value is still on its way or was refused.
        drifted: those that differ although their value had arrived, or was never to change.
        repairs: the deltas derived for them.
        requests: the requests it took.
    """

    contacts: int = 0
    missing: int = 0
    open_deliveries: int = 0
    drifted: int = 0
    repairs: int = 0
    requests: int = 0


def reconcile_account(
    warehouse: Warehouse,
    client: EmarsysClient,
    account: AccountSettings,
    *,
    window: Window,
    sample: int | None,
    run_id: str,
    progress: Progress = no_progress,
    now: Clock = utc_now,
) -> Reconciled:
    """Read back the opt-in fields of an account, note what differs, and derive the repairs.

    Args:
        warehouse: where the tables live; it is not held while Emarsys is asked.
        client: reads within the account's shared rate limit.
        account: an account with ``opt_in`` settings.
        window: the open window, which the repairs belong to.
        sample: how many contacts to read, those read longest ago; None reads all.
        run_id: written beside the rows.
        progress: hears how many contacts were read.
        now: the clock.
    """
    started_at = now()
    field_id, contact_ids = _contacts_to_read(warehouse, account, sample)
    done = Reconciled()
    for start in range(0, len(contact_ids), CONTACTS_PER_REQUEST):
        part = contact_ids[start : start + CONTACTS_PER_REQUEST]
        # Taken before the request: a value that is written meanwhile counts as newer.
        found_at = now()
        found = client.get_contacts(part, key_field="id", fields=[field_id])
        values = [(str(contact["id"]), contact.get(field_id) or None) for contact in found.contacts]
        with warehouse.write() as connection:
            differing, open_deliveries = _note(
                connection, account, window, field_id, values, found_at, run_id
            )
        done = replace(
            done,
            contacts=done.contacts + len(part),
            missing=done.missing + len(part) - len(values),
            open_deliveries=done.open_deliveries + open_deliveries,
            drifted=done.drifted + differing - open_deliveries,
            requests=done.requests + 1,
        )
        progress(f"{account.name}: read back", done.contacts, len(contact_ids))
    with warehouse.write() as connection:
        repairs = 0
        if done.drifted:
            derived = add_opt_in_deltas(
                connection, window, accounts=[account], run_id=run_id, now=now
            )
            repairs = derived.by_reason.get("reconciled", 0)
        done = replace(done, repairs=repairs)
        _record(connection, account.name, done, started_at, now(), run_id, is_full=sample is None)
    logger.info(
        "account %s: read %d contacts back, %d differ from the ledger",
        *(account.name, done.contacts, done.drifted),
    )
    return done


def _contacts_to_read(
    warehouse: Warehouse, account: AccountSettings, sample: int | None
) -> tuple[str, Sequence[str]]:
    """The account's opt-in field and the contacts to read; none before the first import."""
    with warehouse.read() as connection:
        targets = opt_in_targets(connection, [account])
        connection.register("opt_in_targets", targets)
        rows = connection.execute(
            load_sql(__package__, "contacts_to_read.sql"),
            {"account": account.name, "at_most": _ALL if sample is None else sample},
        ).fetchall()
        connection.unregister("opt_in_targets")
    field_ids = targets.column("field_id").to_pylist()
    return (field_ids[0] if field_ids else ""), [contact_id for (contact_id,) in rows]


def _note(
    connection: duckdb.DuckDBPyConnection,
    account: AccountSettings,
    window: Window,
    field_id: str,
    values: list[tuple[str, str | None]],
    found_at: datetime,
    run_id: str,
) -> tuple[int, int]:
    """Keep the readings and the drift of one request; how many differ, and of them are open."""
    rows = [{"contact_id": contact_id, "value": value} for contact_id, value in values]
    connection.register("read_back", pa.Table.from_pylist(rows, schema=_READ_BACK))
    connection.register("opt_in_targets", opt_in_targets(connection, [account]))
    parameters = {"account": account.name, "found_at": found_at}
    connection.execute(load_sql(__package__, "compared.sql"), {**parameters, "run_id": run_id})
    connection.execute(
        "delete from opt_in_readings where account = $account"
        " and contact_id in (select read_back.contact_id from read_back)",
        {"account": account.name},
    )
    connection.execute(
        load_sql(__package__, "keep_readings.sql"),
        {**parameters, "window_start": window.start, "field_id": field_id},
    )
    connection.execute(
        "insert into opt_in_drift by name"
        " select * exclude (is_open) from compared where not is_open"
    )
    ((differing, still_open),) = connection.execute(
        "select count(*), count(*) filter (is_open) from compared"
    ).fetchall()
    connection.execute("drop table compared")
    connection.unregister("read_back")
    connection.unregister("opt_in_targets")
    return differing, still_open


def _record(
    connection: duckdb.DuckDBPyConnection,
    account: str,
    done: Reconciled,
    started_at: datetime,
    finished_at: datetime,
    run_id: str,
    *,
    is_full: bool,
) -> None:
    connection.execute(
        "insert into opt_in_reconciliations by name select $account as account,"
        " $started_at::timestamptz as started_at, $finished_at::timestamptz as finished_at,"
        " $is_full as is_full, $contacts as contacts, $missing as missing,"
        " $open_deliveries as open_deliveries, $drifted as drifted, $repairs as repairs,"
        " $requests as requests, $run_id as run_id",
        {
            "account": account,
            "started_at": started_at,
            "finished_at": finished_at,
            "is_full": is_full,
            "run_id": run_id,
            **{name: getattr(done, name) for name in Reconciled.__slots__},
        },
    )
