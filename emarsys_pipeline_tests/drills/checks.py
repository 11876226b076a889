"""What must hold when it is quiet again: the ledger and the sandbox's log, compared."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from emarsys_pipeline.sandbox.process import Sandbox
from emarsys_pipeline.warehouse import Warehouse
from emarsys_pipeline_tests.drills.people import DECIDING, FIRST, Crowd, Event

FIELD, EMAIL = "10500", "3"

ATTEMPTS = """
select pushes.contact_id, pushes.value, pushes.intended_at, pushes.outcome, pushes.delta_id,
    pushes.attempt, pushes.is_retryable, deltas.event_id
from opt_in_pushes as pushes join opt_in_deltas as deltas using (delta_id)
where pushes.outcome <> 'superseded' and (pushes.http_status is not null
    or pushes.reply_text is distinct from 'contact not found, and not made: it has no key')
order by pushes.intended_at
"""
OVERLAPS = """
select one.contact_id from opt_in_pushes as one join opt_in_pushes as other
    on one.contact_id = other.contact_id and one.batch_id <> other.batch_id
where one.outcome <> 'superseded' and other.outcome <> 'superseded'
    and one.intended_at < other.settled_at and other.intended_at < one.settled_at
"""
REPEATED = """
select first.delta_id from opt_in_pushes as first join opt_in_pushes as next
    on next.delta_id = first.delta_id and next.attempt > first.attempt
left join opt_in_replays as replays
    on replays.delta_id = first.delta_id and replays.attempt = first.attempt
where first.outcome = 'rejected' and not first.is_retryable and next.outcome <> 'superseded'
    and replays.delta_id is null
"""
OPEN = """
select delta_id, outcome from opt_in_deliveries
where outcome not in ('accepted', 'superseded') and not (outcome = 'rejected' and not is_retryable)
"""
DEAD = """
select contact_id from opt_in_deliveries
qualify row_number() over (
    partition by account, contact_id, field_id order by derived_at desc, delta_id
) = 1 and outcome = 'rejected' and not is_retryable
"""


@dataclass(frozen=True, slots=True)
class Found:
    """What a look into ledger and sandbox found; ``broken`` names each promise not kept."""

    broken: list[str]
    writes: int
    attempts: int
    dead_letters: int


def look(warehouse: Warehouse, sandbox: Sandbox, crowd: Crowd, log_start: int) -> Found:
    """Compare everything that was decided, recorded and written since the drill began."""
    with warehouse.read() as connection:

        def query(text: str) -> list[tuple[Any, ...]]:
            return connection.execute(text).fetchall()

        ledger = [event_id for (event_id,) in query("select event_id from consent_events")]
        attempts, dead = query(ATTEMPTS), {contact for (contact,) in query(DEAD)}
        repeated_ids = query("select delta_id from opt_in_deltas group by 1 having count(*) > 1")
        broken = [
            *(f"delta {delta} was left {outcome}" for delta, outcome in query(OPEN)),
            *(f"contact {contact} was in two requests at once" for (contact,) in query(OVERLAPS)),
            *(f"the permanent error of delta {delta} was repeated" for (delta,) in query(REPEATED)),
            *(f"delta id {delta} occurs twice" for (delta,) in repeated_ids),
        ]
    broken += _ledger_errors(ledger, crowd)
    names = _known_names(sandbox, crowd)
    broken += _held_errors(sandbox, crowd, names, dead)
    writes = [
        write
        for write in sandbox.log(field=FIELD, after=log_start)
        if write["contact_id"] in names.values()
    ]
    broken += _order_errors(writes, attempts, crowd, {held: ours for ours, held in names.items()})
    broken += _stale_errors(attempts, crowd)
    return Found(broken, len(writes), len(attempts), len(dead))


def _ledger_errors(ledger: list[str], crowd: Crowd) -> list[str]:
    answered = {event.event_id for event in crowd.events.values() if event.answered_at}
    sent, kept = crowd.events.keys(), set(ledger)
    return [
        *(f"event {each} was answered with 2xx and is not kept" for each in answered - kept),
        *(f"event {each} was never answered" for each in sent - answered),
        *(f"event {each} is kept and was never sent" for each in kept - sent),
        *(["the ledger holds an event twice"] if len(ledger) != len(kept) else []),
    ]


def _known_names(sandbox: Sandbox, crowd: Crowd) -> dict[str, str]:
    """By our contact id: the sandbox's, which differs where a deleted contact was made anew."""
    addresses = {(held or "").lower(): each for each, held in sandbox.field_values(EMAIL).items()}
    names = {}
    for person in crowd.people:
        for contact_id in person.contact_ids:
            if person.address is None:
                names[contact_id] = contact_id
            elif person.address in addresses:
                names[contact_id] = addresses[person.address]
    return names


def _held_errors(
    sandbox: Sandbox, crowd: Crowd, names: Mapping[str, str], dead: set[str]
) -> list[str]:
    held, latest = sandbox.field_values(FIELD), crowd.latest()
    errors = []
    for person in crowd.people:
        for contact_id in set(person.contact_ids) - dead:
            expected = latest.get(person.name)
            found = held.get(names.get(contact_id, ""))
            if (found or None) != expected:
                errors.append(f"contact {contact_id} shows {found} and not {expected}")
    made = [(value or "").lower() for value in sandbox.field_values(EMAIL).values()]
    errors += [
        f"{made.count(person.address)} contacts were made for {person.name}"
        for person in crowd.people
        if person.address is not None and made.count(person.address) > 1
    ]
    return errors


def _order_errors(
    writes: list[dict[str, Any]],
    attempts: list[tuple[Any, ...]],
    crowd: Crowd,
    ours: Mapping[str, str],
) -> list[str]:
    """Each write belongs to the newest attempt intended before it, and decisions never go back."""
    by_contact: dict[str, list[tuple[Any, ...]]] = {}
    for attempt in attempts:
        by_contact.setdefault(attempt[0], []).append(attempt)
    newest: dict[str, int] = {}
    errors = []
    for write in writes:
        contact_id, written_at = (
            ours[write["contact_id"]],
            datetime.fromisoformat(write["written_at"]),
        )
        # Two deleted contacts of a person would share a contact; the drill has no such person.
        before = [each for each in by_contact.get(contact_id, []) if each[2] <= written_at]
        if not before or before[-1][1] != write["value"]:
            errors.append(f"contact {contact_id} got {write['value']}, which was not intended last")
            continue
        occurred = crowd.events[before[-1][7]].occurred
        if occurred < newest.get(contact_id, occurred):
            errors.append(f"contact {contact_id} got a superseded value after a newer one")
        newest[contact_id] = occurred
    return errors


def _stale_errors(attempts: list[tuple[Any, ...]], crowd: Crowd) -> list[str]:
    """No request carries a value that a decision kept before it was built had superseded."""
    events_of: dict[str, list[Event]] = {}
    for event in crowd.events.values():
        if event.status in DECIDING:
            for contact_id in event.person.contact_ids:
                events_of.setdefault(contact_id, []).append(event)
    errors = []
    for contact_id, _, intended_at, _, _, _, _, event_id in attempts:
        carried = crowd.events[event_id]
        if _is_stale(carried, intended_at, events_of[contact_id]):
            errors.append(f"contact {contact_id} was sent {event_id}, which had been superseded")
    return errors


def _is_stale(carried: Event, intended_at: datetime, events: list[Event]) -> bool:
    """Whether the newest decision answered before said otherwise than the one carried.

    A decision that was on its way to the service may have been taken in already, so one of those
    that is newer still and says what was carried makes it right.
    """
    answered = [each for each in events if each.answered_at and each.answered_at < intended_at]
    newest = max(answered, key=lambda each: each.occurred, default=carried)
    if newest.occurred <= carried.occurred or _value(newest) == _value(carried):
        return False
    return not any(
        each.occurred > newest.occurred and _value(each) == _value(carried)
        for each in events
        if each not in answered
    )


def _value(event: Event) -> str:
    return "granted" if event.status == "granted" else "withdrawn"


__all__ = ["EMAIL", "FIELD", "FIRST", "Found", "look"]
