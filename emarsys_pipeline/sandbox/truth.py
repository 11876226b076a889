"""What the sandbox knows and clients have to find out: persons, latest decisions, what arrived."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any

from emarsys_pipeline.sandbox.contact_writes import apply_values
from emarsys_pipeline.sandbox.field_values import checked_values
from emarsys_pipeline.sandbox.state import LoggedRequest, State, append_field_writes


def _documents(state: State, query: str, parameters: Any = None) -> Iterator[dict[str, Any]]:
    with state.read() as connection:
        result = connection.execute(query, parameters)
        names = [column[0] for column in result.description or ()]
        while rows := result.fetchmany(5000):
            for row in rows:
                values = (f"{v.isoformat()}Z" if isinstance(v, datetime) else v for v in row)
                yield dict(zip(names, values, strict=True))


def request_document(request: LoggedRequest) -> dict[str, Any]:
    """Return a received request as the control API tells it."""
    return asdict(request)


def field_writes(state: State, values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give values written to contacts, in the order applied.

    ``values`` may narrow them: ``contact_id``, ``field`` (id), ``after`` (sequence number) and
    ``source`` (api, advance or import; default api).
    """
    conditions, parameters = (
        ["source = ?", "sequence > ?"],
        [
            values.get("source", "api"),
            int(values.get("after", 0)),
        ],
    )
    for name, column in (("contact_id", "contact_id"), ("field", "field_id")):
        if name in values:
            conditions.append(f"{column} = ?")
            parameters.append(int(values[name]))
    return _documents(
        state,
        "select sequence, written_at, request, source, contact_id::varchar as contact_id,"  # noqa: S608
        " field_id::varchar as field_id, value from field_writes"
        f" where {' and '.join(conditions)} order by sequence",
        parameters,
    )


def field_values(state: State, values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give a field's stored value for every contact; ``only_set`` leaves empty ones out."""
    field = state.catalogue.find(values["field"])
    if field is None:
        raise ValueError(f"no field {values['field']}")
    condition = f" where {field.column} is not null" if values.get("only_set") else ""
    return _documents(
        state,
        f"select id::varchar as contact_id, {field.column} as value"  # noqa: S608 - column of ours
        f" from contacts{condition} order by id",
    )


def persons(state: State) -> Iterator[dict[str, Any]]:
    """Give each person with the ids of their contacts and of their platform contacts."""
    return _documents(
        state,
        "select person, list(contact_id order by contact_id) filter (contact_id is not null)"
        " as contact_ids, list(platform_id order by platform_id) filter (platform_id is not null)"
        " as platform_contact_ids from (select person, id::varchar as contact_id,"
        " null as platform_id from contacts union all select person, null, platform_contact_id"
        " from platform_contacts where person is not null) group by person order by person",
    )


def latest_consents(state: State) -> Iterator[dict[str, Any]]:
    """Give each person's newest decision by channel, with the ids of their contacts."""
    return _documents(
        state,
        "select d.person, d.channel, d.status, d.event_id, d.occurred_at, c.contact_ids from"
        " (select person, channel, arg_max(status, (occurred_at, sequence)) as status,"
        " arg_max(event_id, (occurred_at, sequence)) as event_id, max(occurred_at) as occurred_at"
        " from platform_consents where person is not null group by person, channel) as d"
        " left join (select person, list(id::varchar order by id) as contact_ids from contacts"
        " group by person) as c using (person) order by d.person, d.channel",
    )


def event_triggers(state: State) -> Iterator[dict[str, Any]]:
    """Give the triggers of external events, in the order received."""
    return _documents(
        state,
        "select sequence, event_id::varchar as event_id, contact_id::varchar as contact_id,"
        " trigger_id, data, event_time, received_at from event_triggers order by sequence",
    )


def import_silently(state: State, values: dict[str, Any]) -> dict[str, Any]:
    """Write field values as a data import does, so that getchanges does not report them.

    ``values``: ``{"contacts": {"<contact id>": {"<field>": <value>, ...}, ...}}``.
    """
    updates = {
        int(contact_id): checked_values(state.catalogue, contact, frozenset())
        for contact_id, contact in values["contacts"].items()
    }
    writes = [(c, field_id, v) for c, given in updates.items() for field_id, v in given.items()]
    with state.write() as connection:
        apply_values(connection, updates)
        append_field_writes(connection, writes, request=0, source="import")
    return {"contacts": len(updates)}


def move_members(state: State, values: dict[str, Any]) -> dict[str, Any]:
    """Move contacts: ``{"segment": id, "add": [contact ids], "remove": [contact ids]}``."""
    segment_id = int(values["segment"])
    added = [int(number) for number in values.get("add", ())]
    removed = [int(number) for number in values.get("remove", ())]
    with state.write() as connection:
        connection.execute(
            "delete from memberships where segment_id = $segment"
            " and contact_id in (select unnest($ids::bigint[]))",
            {"segment": segment_id, "ids": [*removed, *added]},
        )
        connection.execute(
            "insert into memberships select $segment, unnest($ids::bigint[])",
            {"segment": segment_id, "ids": added},
        )
    return {"added": len(added), "removed": len(removed)}
