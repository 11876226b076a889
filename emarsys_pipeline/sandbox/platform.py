"""The messaging platform's side: its contacts, and the decisions that people make there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from emarsys_pipeline.sandbox.state import State, next_id, utc_now
from emarsys_pipeline.sandbox.webhooks import Delivery, send_in_background

STATUSES = ("granted", "withdrawn", "denied")
SUBSCRIPTION = "consent_subscription"
_CONSENT_COLUMNS = (
    "event_id",
    "platform_contact_id",
    "phone",
    "email",
    "channel",
    "status",
    "occurred_at",
)
_CONTACT_COLUMNS = (
    "platform_contact_id",
    "phone",
    "email",
    "first_name",
    "last_name",
    "updated_at",
)


def _documents(
    state: State, columns: Sequence[str], rest: str, parameters: Sequence[Any]
) -> Iterator[dict[str, Any]]:
    query = f"select {', '.join(columns)} {rest}"
    with state.read() as connection:
        result = connection.execute(query, list(parameters))
        while rows := result.fetchmany(5000):
            for row in rows:
                document = dict(zip(columns, row, strict=True))
                yield {
                    name: f"{value.isoformat()}Z" if isinstance(value, datetime) else value
                    for name, value in document.items()
                }


def contact_documents(state: State) -> Iterator[dict[str, Any]]:
    """Give the platform's contacts."""
    return _documents(
        state, _CONTACT_COLUMNS, "from platform_contacts order by platform_contact_id", ()
    )


def consent_documents(
    state: State, *, since: datetime | None = None, event_ids: Sequence[str] | None = None
) -> Iterator[dict[str, Any]]:
    """Give decisions in the order made: those since a moment, or those named."""
    if event_ids is not None:
        condition = "where event_id in (select unnest(?::varchar[]))"
        return _documents(
            state,
            _CONSENT_COLUMNS,
            f"from platform_consents {condition} order by sequence",
            [list(event_ids)],
        )
    condition = "" if since is None else "where occurred_at >= ?"
    return _documents(
        state,
        _CONSENT_COLUMNS,
        f"from platform_consents {condition} order by sequence",
        [] if since is None else [since],
    )


def choose_contacts(state: State, count: int) -> list[str]:
    """Choose contacts known to Emarsys that have decided least often so far, in a fixed order."""
    rows = state.rows(
        "select p.platform_contact_id from platform_contacts as p left join"
        " (select platform_contact_id, count(*) as made from platform_consents group by 1) as c"
        " using (platform_contact_id) where p.person is not null"
        " order by coalesce(made, 0), hash(?, platform_contact_id), platform_contact_id limit ?",
        [state.setting("seed"), count],
    )
    return [contact_id for (contact_id,) in rows]


def decide(
    state: State,
    contact_ids: Sequence[str],
    status: str,
    *,
    channel: str = "whatsapp",
    occurred_at: datetime | None = None,
) -> list[str]:
    """Let people decide; return the event ids in order.

    Where somebody has subscribed, webhooks tell the decisions at once, in the background.

    Raises:
        KeyError: a contact that the platform does not have.
    """
    known = {
        row[0]: row[1:]
        for row in state.rows(
            "select platform_contact_id, person, phone, email from platform_contacts"
            " where platform_contact_id in (select unnest(?::varchar[]))",
            [list(contact_ids)],
        )
    }
    with state.write() as connection:
        first = next_id(connection, "platform_consents", "sequence", 1)
        sequences = range(first, first + len(contact_ids))
        event_ids = [_event_id(state.setting("seed"), number) for number in sequences]
        rows = [known[contact_id] for contact_id in contact_ids]
        connection.execute(
            "insert into platform_consents select unnest($sequences), unnest($events),"
            " unnest($contacts), unnest($persons::bigint[]), unnest($phones::varchar[]),"
            " unnest($emails::varchar[]), $channel, $status, $moment",
            {
                "sequences": list(sequences),
                "events": event_ids,
                "contacts": list(contact_ids),
                "persons": [row[0] for row in rows],
                "phones": [row[1] for row in rows],
                "emails": [row[2] for row in rows],
                "channel": channel,
                "status": status,
                "moment": occurred_at or utc_now(),
            },
        )
    _tell_subscriber(state, event_ids)
    return event_ids


def subscribe(state: State, delivery: dict[str, Any] | None) -> None:
    """Send every further decision as ``webhooks.Delivery`` says; None ends that.

    Raises:
        TypeError: it is not what a delivery takes.
    """
    if delivery is not None:
        Delivery(**delivery)
    state.save_settings({SUBSCRIPTION: delivery})


def _tell_subscriber(state: State, event_ids: Sequence[str]) -> None:
    delivery = state.setting(SUBSCRIPTION)
    if delivery and event_ids:
        documents = list(consent_documents(state, event_ids=event_ids))
        send_in_background(documents, Delivery(**delivery))


def _event_id(seed: Any, sequence: int) -> str:
    digest = hashlib.sha256(f"{seed}-consent-{sequence}".encode()).hexdigest()
    return f"evt_{sequence:08d}_{digest[:8]}"
