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
    """What reading back found, in pushes: applied after all, or to be sent again."""

    accepted: int
    retrying: int


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
    ``settle_after_seconds`` have passed its contacts are left alone.
    """
    oldest = now() - timedelta(seconds=pushes.settle_after_seconds)
    with warehouse.read() as connection:
        rows = connection.execute(
            "select distinct field_id, contact_id from opt_in_pushes"
            " where account = $account and outcome in ('sending', 'unknown')"
            " and intended_at <= $oldest order by field_id, contact_id",
            {"account": account, "oldest": oldest},
        ).fetchall()
    if not rows:
        return Settled(accepted=0, retrying=0)
    accepted = retrying = 0
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
            counts = _record(connection, account, field_id, oldest, read_back, now())
        accepted += counts.get("accepted", 0)
        retrying += counts.get("rejected", 0)
    logger.info("read back %d pushes without an answer: %d applied", len(rows), accepted)
    return Settled(accepted=accepted, retrying=retrying)


def _record(
    connection: duckdb.DuckDBPyConnection,
    account: str,
    field_id: str,
    oldest: datetime,
    read_back: list[dict[str, object]],
    moment: datetime,
) -> dict[str, int]:
    connection.register("read_back", pa.Table.from_pylist(read_back, schema=_READ_BACK))
    parameters = {"account": account, "field_id": field_id, "oldest": oldest}
    connection.execute(load_sql(__package__, "settle.sql"), {**parameters, "now": moment})
    connection.unregister("read_back")
    counts = connection.execute(
        "select outcome, count(*) from opt_in_pushes"
        " where account = $account and field_id = $field_id and settled_at = $now"
        " group by outcome",
        {"account": account, "field_id": field_id, "now": moment},
    ).fetchall()
    return dict(counts)
