"""Settles pushes without an answer by reading back what Emarsys holds."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb
import pyarrow as pa

from emarsys_pipeline.clock import Clock
from emarsys_pipeline.emarsys import EmarsysClient
from emarsys_pipeline.settings import AccountSettings, PushSettings
from emarsys_pipeline.stages.opt_in_pushes.intents import BY_ID
from emarsys_pipeline.stages.opt_in_pushes.keys import make_contact_keys
from emarsys_pipeline.stages.opt_in_pushes.verdicts import NOT_FOUND, REMEDIES
from emarsys_pipeline.stages.outboxes import adopt_orphans
from emarsys_pipeline.warehouse import HeldLock, Warehouse, load_sql

logger = logging.getLogger(__name__)

# The field that was written, and the field that named the contact (None: its id).
Group = tuple[str, str | None]

_READ_BACK = pa.schema(
    [("contact_id", pa.string()), ("value", pa.string()), ("is_found", pa.bool_())]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What reading back found, in pushes: applied after all, to be sent again, or gone."""

    accepted: int = 0
    retrying: int = 0
    rejected: int = 0


def settle_unknown(
    warehouse: Warehouse,
    client: EmarsysClient,
    account: AccountSettings,
    lock: HeldLock,
    *,
    pushes: PushSettings,
    now: Clock,
) -> Settled:
    """Read back the pushes whose outcome is unknown and that are old enough to have ended.

    The caller holds the account's push ``lock``, so a row that still says ``sending`` belongs to a
    worker that died. A request that got no answer may still be on its way for a while; until
    ``settle_after_seconds`` have passed since that was noticed, its contacts are left alone.
    """
    due = now()
    settle_at = due + timedelta(seconds=pushes.settle_after_seconds)
    with warehouse.write() as connection:
        adopt_orphans(connection, "opt_in_pushes", settle_at, account=account.name)
        groups = _unsettled(connection, account, due)
        lock.check()
    settled = Settled()
    for (field_id, key_field_id), keys in groups.items():
        read_back = _read_back(client, field_id, key_field_id, keys)
        with warehouse.write() as connection:
            found = _record(connection, account, (field_id, key_field_id), due, read_back, now())
            lock.check()
        settled = Settled(
            accepted=settled.accepted + found.accepted,
            retrying=settled.retrying + found.retrying,
            rejected=settled.rejected + found.rejected,
        )
        logger.info("read back %d pushes without an answer: %d applied", len(keys), found.accepted)
    return settled


def _unsettled(
    connection: duckdb.DuckDBPyConnection, account: AccountSettings, due: datetime
) -> dict[Group, dict[str, str | None]]:
    """By written field and key field: the contact ids to read back, each with its key."""
    rows = connection.execute(
        "select distinct field_id, key_field_id, contact_id from opt_in_pushes"
        " where account = $account and outcome = 'unknown' and retry_at <= $due"
        " order by field_id, key_field_id nulls first, contact_id",
        {"account": account.name, "due": due},
    ).fetchall()
    keys: dict[tuple[str, str], str] = {}
    if any(key_field_id is not None for _, key_field_id, _ in rows):
        make_contact_keys(
            connection,
            account,
            "select distinct contact_id from opt_in_pushes"
            " where outcome = 'unknown' and key_field_id is not null",
        )
        keys = {
            (key_field_id, contact_id): key
            for key_field_id, contact_id, key in connection.execute(
                "select key_field_id, contact_id, key_value from contact_keys"
            ).fetchall()
        }
    groups: dict[Group, dict[str, str | None]] = {}
    for field_id, key_field_id, contact_id in rows:
        key = contact_id if key_field_id is None else keys.get((key_field_id, contact_id))
        groups.setdefault((field_id, key_field_id), {})[contact_id] = key
    return groups


def _read_back(
    client: EmarsysClient,
    field_id: str,
    key_field_id: str | None,
    keys: Mapping[str, str | None],
) -> list[dict[str, object]]:
    """What Emarsys holds; a contact whose key cannot be told any more counts as not found."""
    key_field = key_field_id or BY_ID
    asked = sorted({key for key in keys.values() if key is not None})
    found = client.get_contacts(asked, key_field=key_field, fields=[field_id])
    values = {_compared(contact[key_field]): contact.get(field_id) for contact in found.contacts}
    missing = {_compared(key) for key in found.errors}
    rows: list[dict[str, object]] = []
    for contact_id, key in keys.items():
        name = None if key is None else _compared(key)
        if name in values:
            rows.append({"contact_id": contact_id, "value": values[name] or None, "is_found": True})
        elif name is None or name in missing:
            rows.append({"contact_id": contact_id, "value": None, "is_found": False})
    return rows


def _compared(key: object) -> str:
    """A key as Emarsys compares it: addresses without regard to case."""
    return str(key).strip().lower()


def _record(
    connection: duckdb.DuckDBPyConnection,
    account: AccountSettings,
    group: Group,
    due: datetime,
    read_back: list[dict[str, object]],
    moment: datetime,
) -> Settled:
    field_id, key_field_id = group
    connection.register("read_back", pa.Table.from_pylist(read_back, schema=_READ_BACK))
    connection.execute(
        load_sql(__package__, "settle.sql"),
        {
            "account": account.name,
            "field_id": field_id,
            "key_field_id": key_field_id,
            "due": due,
            "now": moment,
            "creates_missing": account.opt_in is not None
            and account.opt_in.create_missing_contacts,
            "remedy": REMEDIES[NOT_FOUND],
        },
    )
    connection.unregister("read_back")
    ((accepted, retrying, rejected),) = connection.execute(
        "select count(*) filter (outcome = 'accepted'),"
        " count(*) filter (outcome = 'rejected' and is_retryable),"
        " count(*) filter (outcome = 'rejected' and not is_retryable) from opt_in_pushes"
        " where account = $account and field_id = $field_id"
        " and key_field_id is not distinct from $key_field_id and settled_at = $now",
        {
            "account": account.name,
            "field_id": field_id,
            "key_field_id": key_field_id,
            "now": moment,
        },
    ).fetchall()
    return Settled(accepted=accepted, retrying=retrying, rejected=rejected)
