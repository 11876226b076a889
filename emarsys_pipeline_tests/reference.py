"""Slow, obvious Python versions of what the stages do in SQL."""

from collections.abc import Iterable, Mapping, Set
from typing import NamedTuple


def union_find(records: Mapping[str, Set[str]]) -> set[frozenset[str]]:
    """Records grouped by shared identifiers, directly or through others.

    Args:
        records: the identifiers that each record holds.
    """
    parent = {record: record for record in records}

    def root(record: str) -> str:
        while parent[record] != record:
            record = parent[record]
        return record

    holders: dict[str, str] = {}
    for record in sorted(records):
        for identifier in sorted(records[record]):
            if identifier in holders:
                parent[root(record)] = root(holders[identifier])
            else:
                holders[identifier] = record
    groups: dict[str, set[str]] = {}
    for record in records:
        groups.setdefault(root(record), set()).add(record)
    return {frozenset(group) for group in groups.values()}


class Decision(NamedTuple):
    """A consent event as the fold sees it; times in any unit."""

    event_id: str
    person: str
    channel: str
    status: str
    occurred_at: int
    received_at: int


def fold(decisions: Iterable[Decision]) -> dict[tuple[str, str], tuple[str, str]]:
    """By person and channel: the status that holds, and the event that decided it.

    The last to occur holds, of those the last received, of those a withdrawal before a grant, of
    those the largest id. A status that is neither is passed over.
    """
    held: dict[tuple[str, str], Decision] = {}
    for decision in decisions:
        if decision.status not in {"granted", "withdrawn", "denied"}:
            continue
        key = (decision.person, decision.channel)
        if key not in held or _rank(decision) > _rank(held[key]):
            held[key] = decision
    return {key: (decision.status, decision.event_id) for key, decision in held.items()}


def _rank(decision: Decision) -> tuple[int, int, bool, str]:
    is_refusal = decision.status != "granted"
    return (decision.occurred_at, decision.received_at, is_refusal, decision.event_id)
