"""What an import of one segment will cost, from its size and from what earlier imports cost.

Pure arithmetic. Calls are counted as the import counts them: one to count, one per 100,000 members,
three per export (start, state, download), one per 1,000 contacts that are read by getdata.
"""

import math
from dataclasses import dataclass

MEMBERS_PER_CALL = 100_000
CONTACTS_PER_CALL = 1000
CALLS_OF_AN_EXPORT = 3

CALLS_PER_MINUTE = 1000
"""Emarsys's limit per account, where the server has named no other."""

EXPORTED_PER_MINUTE = 100_000
"""Contacts that Emarsys exports in a minute: a guess, until a segment has a record."""

UNMATCHED_SHARE = 0.05
"""Contacts that an export without contact ids may leave to getdata: a guess, until there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What an import cost, or is expected to: requests and seconds for so many members."""

    members: int
    api_calls: int
    seconds: float


def forecast_full(members: int, last: Cost | None, *, calls_per_minute: int) -> Cost:
    """The cost of a full import.

    Args:
        members: contacts in the segment.
        last: the newest full import of the segment, or else of another one of the account: it
            tells whether exports name their contacts, and how fast they are; None before any.
        calls_per_minute: the account's rate limit.
    """
    fixed = 1 + _pages(members) + CALLS_OF_AN_EXPORT
    if last is None or not last.members:
        read = _calls(members) + _calls(members * UNMATCHED_SHARE)
        seconds = 60 * (members / EXPORTED_PER_MINUTE + (fixed + read) / calls_per_minute)
        return Cost(members=members, api_calls=fixed + read, seconds=seconds)
    last_read = last.api_calls - 1 - _pages(last.members) - CALLS_OF_AN_EXPORT
    # Of a small segment every kind of request is one, which must not be scaled.
    per_contact = max(last_read, 0) / max(last.members, CONTACTS_PER_CALL)
    read = max(math.ceil(per_contact * members), min(max(last_read, 0), 2 if members else 0))
    seconds = max(
        last.seconds * max(1.0, members / last.members), 60 * (fixed + read) / calls_per_minute
    )
    return Cost(members=members, api_calls=fixed + read, seconds=seconds)


def forecast_changes(
    members: int,
    entered: int,
    changed: int,
    last: Cost | None,
    *,
    has_looked_up: bool,
    calls_per_minute: int,
) -> Cost:
    """The cost of importing what changed, the export aside that all segments share.

    Args:
        members: contacts in the segment.
        entered: those among them that are not stored.
        changed: how many changed in the last import of changes.
        last: that import.
        has_looked_up: whether some fields come by getdata.
        calls_per_minute: the account's rate limit.
    """
    read = _calls(entered) + (_calls(changed) if has_looked_up else 0)
    api_calls = 1 + _pages(members) + read
    seconds = max(60 * api_calls / calls_per_minute, 0.0 if last is None else last.seconds)
    return Cost(members=members, api_calls=api_calls, seconds=seconds)


def _pages(members: int) -> int:
    # A full page is followed by another question.
    return members // MEMBERS_PER_CALL + 1


def _calls(contacts: float) -> int:
    return math.ceil(contacts / CONTACTS_PER_CALL)
