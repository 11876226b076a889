"""Settles pushes without an answer by reading back what Emarsys holds."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb
import pyarrow as pa

from emarsys_pipeline.clock import Clock
from emarsys_pipeline.emarsys import EmarsysClient
from emarsys_pipeline.settings import PushSettings
from emarsys_pipeline.warehouse import Warehouse, load_sql

logger = logging.getLogger(__name__)

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
    account: str,
    *,
    pushes: PushSettings,
    now: Clock,
) -> Settled:
    """Read back the pushes whose outcome is unknown and that are old enough to have ended.

    The caller holds the account's push lock, so a row that still says ``sending`` belongs to a
    worker that died. A request that got no answer may still be on its way for a while; until
    ``settle_after_seconds`` have passed since that was noticed, its contacts are left alone.
    """
    due = now()
    settle_at = due + timedelta(seconds=pushes.settle_after_seconds)
    with warehouse.write() as connection:
        connection.execute(
            load_sql(__package__, "adopt_orphans.sql"),
            {"account": account, "settle_at": settle_at},
        )
        rows = connection.execute(
            "select distinct field_id, contact_id from opt_in_pushes"
            " where account = $account and outcome = 'unknown'"
            " and retry_at <= $due order by field_id, contact_id",
            {"account": account, "due": due},
        ).fetchall()
    if not rows:
        return Settled()
    settled = Settled()
    for field_id in sorted({field_id for field_id, _ in rows}):
        contact_ids = [contact_id for field, contact_id in rows if field == field_id]
        found = client.get_contacts(contact_ids, key_field="id", fields=[field_id])
        read_back = [
            {"contact_id": str(c["id"]), "value": c.get(field_id) or None, "is_found": True}
            for c in found.contacts
        ]
        read_back += [
            {"contact_id": contact_id, "value": None, "is_found": False}
            for contact_id in found.errors
        ]
        with warehouse.write() as connection:
            found_now = _record(connection, account, field_id, due, read_back, now())
        settled = Settled(
            accepted=settled.accepted + found_now.accepted,
            retrying=settled.retrying + found_now.retrying,
            rejected=settled.rejected + found_now.rejected,
        )
    logger.info("read back %d pushes without an answer: %d applied", len(rows), settled.accepted)
    return settled


def _record(
    connection: duckdb.DuckDBPyConnection,
    account: str,
    field_id: str,
    due: datetime,
    read_back: list[dict[str, object]],
    moment: datetime,
) -> Settled:
    connection.register("read_back", pa.Table.from_pylist(read_back, schema=_READ_BACK))
    parameters = {"account": account, "field_id": field_id, "due": due}
    connection.execute(load_sql(__package__, "settle.sql"), {**parameters, "now": moment})
    connection.unregister("read_back")
    ((accepted, retrying, rejected),) = connection.execute(
        "select count(*) filter (outcome = 'accepted'),"
        " count(*) filter (outcome = 'rejected' and is_retryable),"
        " count(*) filter (outcome = 'rejected' and not is_retryable) from opt_in_pushes"
        " where account = $account and field_id = $field_id and settled_at = $now",
        {"account": account, "field_id": field_id, "now": moment},
    ).fetchall()
    return Settled(accepted=accepted, retrying=retrying, rejected=rejected)
