"""Fetches the members of contact lists that legacy automation calls name.

A batch or recurring program of the old Automation Center sends no contact but a ``list_id``, and
Emarsys deletes that list after an hour. The webhook service only keeps the call; this stage reads
the list soon after.

Reads the inbox and Emarsys; writes automation_lists, one row per such call, and
automation_list_members, one row per contact of its list, both in the window in which the call
arrived. A second run fetches only what the first has not. It stops for an account at the first
call whose list cannot be read for a reason that may pass; a list that is gone is recorded as such.
"""

import json
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from emarsys_pipeline.clock import Clock, utc_now
from emarsys_pipeline.emarsys import EmarsysClient
from emarsys_pipeline.emarsys.errors import EmarsysError, RejectedRequestError
from emarsys_pipeline.inbox import Inbox
from emarsys_pipeline.stages.erased import is_erased
from emarsys_pipeline.warehouse import Warehouse, load_sql
from emarsys_pipeline.warehouse.tombstones import has_tombstones
from emarsys_pipeline.windows import WindowGrid

logger = logging.getLogger(__name__)

# What a legacy call holds beside its list, and a flat webhook of our days does not.
LEGACY_NAMES = frozenset({"queue_id", "run_id", "node_id", "resource_id"})

Connect = Callable[[str], AbstractContextManager[EmarsysClient]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListsFetched:
    """What one run did: lists read, their members, and lists that were gone; errors by account."""

    fetched: int
    members: int
    gone: int
    errors: dict[str, EmarsysError]


@dataclass(frozen=True, slots=True)
class _Call:
    message_id: str
    inbox_sequence: int
    received_at: datetime
    list_id: str


def fetch_automation_lists(
    warehouse: Warehouse,
    inbox: Inbox,
    connect: Connect,
    accounts: Sequence[str],
    *,
    grid: WindowGrid,
    run_id: str,
    now: Clock = utc_now,
) -> ListsFetched:
    """Read every list that was named and not read yet.

    Args:
        warehouse: where the members go.
        inbox: the calls.
        connect: a client of an account, by its name.
        accounts: whose calls to look at.
        grid: all windows.
        run_id: written beside the rows.
        now: the clock.
    """
    counts = {"fetched": 0, "members": 0, "gone": 0}
    errors: dict[str, EmarsysError] = {}
    for account in accounts:
        with warehouse.read() as connection:
            ((newest,),) = connection.execute(
                "select coalesce(max(inbox_sequence), 0) from automation_lists"
                " where account = $account",
                {"account": account},
            ).fetchall()
        calls = _calls(inbox, account, newest)
        if not calls:
            continue
        with connect(account) as client:
            for call in calls:
                try:
                    members, reason = _members(client, call)
                except EmarsysError as error:
                    errors[account] = error
                    break
                facts = {
                    "window_start": grid.at(call.received_at).start,
                    "account": account,
                    "message_id": call.message_id,
                    "inbox_sequence": call.inbox_sequence,
                    "received_at": call.received_at,
                    "list_id": call.list_id,
                    "state": "gone" if members is None else "fetched",
                    "members": len(members or ()),
                    "reason": reason,
                    "fetched_at": now(),
                    "run_id": run_id,
                }
                _record(warehouse, facts, members or [])
                counts["gone" if members is None else "fetched"] += 1
                counts["members"] += len(members or ())
    return ListsFetched(**counts, errors=errors)


def _calls(inbox: Inbox, account: str, after_sequence: int) -> list[_Call]:
    """The calls of an account that name a list, in the order of the inbox."""
    calls = []
    for row in inbox.fetch("automation", after_sequence=after_sequence).to_pylist():
        if row["account"] != account or '"list_id"' not in row["body"]:
            continue
        content = json.loads(row["body"])
        list_id = str(content.get("list_id") or "")
        if list_id.isascii() and list_id.isdigit() and LEGACY_NAMES & content.keys():
            calls.append(_Call(row["message_id"], row["sequence"], row["received_at"], list_id))
    return calls


def _members(client: EmarsysClient, call: _Call) -> tuple[list[str] | None, str | None]:
    """The contact ids of a list; None with the reason when there is no such list any more."""
    try:
        return [each for page in client.contact_list_ids(call.list_id) for each in page], None
    except RejectedRequestError as error:
        logger.warning("list %s of an automation cannot be read: %s", call.list_id, error)
        return None, error.reply_text or str(error.http_status)


def _record(warehouse: Warehouse, facts: dict[str, Any], members: list[str]) -> None:
    """Keep a call's list and its members in one transaction."""
    table = pa.table({"contact_id": pa.array(members, type=pa.string())})
    with warehouse.write() as connection:
        connection.register("members", table)
        is_kept = "true"
        if has_tombstones(connection):
            is_kept = f"not ({is_erased({'emarsys': '$account || chr(31) || contact_id'})})"
        connection.execute(
            load_sql(__package__, "automation_list_members.sql", is_kept=is_kept),
            {name: facts[name] for name in ("window_start", "account", "message_id")},
        )
        connection.unregister("members")
        connection.execute(load_sql(__package__, "automation_lists.sql"), facts)
