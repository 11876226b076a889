"""Lets go of what has been held for as long as the settings say.

Removes what can be spared: the wording of messages, replies and refused values, and left-over
downloads. Never a contact, a decision or an outcome: status and history stay as they are. Messages
go only once their rows are in the warehouse. A second run finds nothing more.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from emarsys_pipeline.clock import Clock, utc_now
from emarsys_pipeline.privacy.erase import Home
from emarsys_pipeline.privacy.search import all_files
from emarsys_pipeline.storage import has_inbox, open_inbox
from emarsys_pipeline.warehouse import quote

logger = logging.getLogger(__name__)

# What is cleared in the warehouse: the setting's name, the statement.
_CLEARED = {
    "reply_texts_days": (
        "update opt_in_pushes set reply_text = null"
        " where reply_text is not null and settled_at < $before::timestamptz"
    ),
    "rejected_values_days": (
        "update rejected_values set raw_value = null"
        " where raw_value is not null and window_start < $before::timestamptz"
    ),
    "automation_payloads_days": (
        "update automation_events set payload = null, phone_number = null, email_address = null"
        " where payload is not null and received_at < $before::timestamptz"
    ),
}
# Which messages have been taken in: the setting's name, the tables.
_TAKEN_IN = {
    "messages_days": ("platform_contacts", "automation_events"),
    "consent_messages_days": ("consent_events",),
}


def apply_retention(home: Home, *, now: Clock = utc_now) -> dict[str, int]:
    """Remove what is older than the settings allow.

    Returns:
        How many rows, messages or files were removed, by the name of the setting.
    """
    retention = home.settings.retention
    moment = now()

    def before(setting: str) -> datetime | None:
        days: int | None = getattr(retention, setting)
        return None if days is None else moment - timedelta(days=days)

    removed = {
        **_clear_columns(home, before),
        **_forget_messages(home, before),
        **_delete_downloads(home, before),
    }
    logger.info("retention removed %s", removed)
    return removed


Before = Callable[[str], datetime | None]


def _clear_columns(home: Home, before: Before) -> dict[str, int]:
    removed: dict[str, int] = {}
    with home.warehouse.write() as connection:
        for setting, statement in _CLEARED.items():
            limit = before(setting)
            if limit is not None:
                ((rows,),) = connection.execute(statement, {"before": limit}).fetchall()
                removed[setting] = rows
    if any(removed.values()):
        # Cleared values stay in the file's free blocks until it is written anew.
        home.warehouse.rewrite()
    return removed


def _forget_messages(home: Home, before: Before) -> dict[str, int]:
    if not has_inbox(home.settings):
        return {}
    removed: dict[str, int] = {}
    with open_inbox(home.settings) as inbox:
        for setting, tables in _TAKEN_IN.items():
            limit = before(setting)
            if limit is None:
                continue
            kept = sum(inbox.counts.values())
            for table in tables:
                with home.warehouse.read() as connection:
                    rows = connection.execute(
                        f"select distinct inbox_sequence from {quote(table)}"  # noqa: S608
                        " where received_at < $before::timestamptz",
                        {"before": limit},
                    ).fetchall()
                inbox.forget([sequence for (sequence,) in rows])
            removed[setting] = kept - sum(inbox.counts.values())
        limit = before("unreadable_days")
        if limit is not None:
            removed["unreadable_days"] = inbox.delete_old_poison(limit)
        if any(removed.values()):
            inbox.compact()
    return removed


def _delete_downloads(home: Home, before: Before) -> dict[str, int]:
    limit = before("downloads_days")
    if limit is None:
        return {}
    old = [
        path
        for path in all_files([home.settings.downloads])
        if path.stat().st_mtime < limit.timestamp()
    ]
    for path in old:
        path.unlink(missing_ok=True)
    return {"downloads_days": len(old)}
