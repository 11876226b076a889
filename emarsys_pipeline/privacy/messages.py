"""The person's messages in the inbox."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import get_args

import duckdb

from emarsys_pipeline.inbox import Inbox
from emarsys_pipeline.inbox.messages import Kind
from emarsys_pipeline.stages.identifiers import register_normalisers
from emarsys_pipeline.warehouse import load_sql

_NAMES: dict[Kind, str] = {
    "consent": "platform_contact_id, phone, email, event_id, null::varchar as account,"
    " null::varchar as contact_id",
    "contact": "platform_contact_id, phone, email, null::varchar as event_id,"
    " null::varchar as account, null::varchar as contact_id",
    "automation": "coalesce(body ->> '$.external_reference_id', body ->> '$.external_id') as"
    " platform_contact_id, coalesce(body ->> '$.phone', body ->> '$.phone_number',"
    " body ->> '$.mobile') as phone, coalesce(body ->> '$.email', body ->> '$.email_address') as"
    " email, null::varchar as event_id, account, coalesce(body ->> '$.contact_id',"
    " body ->> '$.user_id', body ->> '$.external_reference_id', body ->> '$.external_id') as"
    " contact_id",
}


@dataclass(slots=True)
class MessagesFound:
    """The person's messages: their sequences by kind, event ids, and identifiers as written."""

    sequences: dict[Kind, list[int]] = field(default_factory=dict)
    event_ids: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)


def messages_about(
    connection: duckdb.DuckDBPyConnection, inbox: Inbox, *, regions: Sequence[str]
) -> MessagesFound:
    """The messages about the person whose tables the connection holds.

    Args:
        connection: the warehouse, with the temporary tables of the person.
        inbox: the messages.
        regions: phone numbers without a country code are read as of each of these countries.
    """
    register_normalisers(connection)
    about = MessagesFound()
    for kind in get_args(Kind):
        connection.register("incoming", inbox.fetch(kind))
        sequences: set[int] = set()
        for region in regions or ("",):
            rows = connection.execute(
                load_sql(__package__, "inbox_messages.sql", names=_NAMES[kind]), {"region": region}
            ).fetchall()
            for sequence, event_id, phone, email in rows:
                sequences.add(sequence)
                about.event_ids |= {event_id} - {None}
                about.written |= {phone, email} - {None}
        connection.unregister("incoming")
        about.sequences[kind] = sorted(sequences)
    return about
