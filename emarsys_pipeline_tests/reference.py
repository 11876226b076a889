"""Slow, obvious Python versions of what the stages do in SQL."""

from collections.abc import Mapping, Set


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
