"""Which shared identifiers join the records of one person."""

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Identifier = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Link:
    """Two records of a person that share an identifier, or that somebody joined.

    ``kind`` is phone, email or join; ``value`` the identifier, or the id of the decision.
    """

    record: str
    joined_to: str
    kind: str
    value: str = field(repr=False)

    @property
    def reason(self) -> str:
        """What makes them one person, in words."""
        if self.kind == "join":
            return f"decision {self.value} joined them"
        return f"both hold {self.kind} {self.value}"


def spanning_links(held: Mapping[str, Sequence[Identifier]]) -> list[Link]:
    """The fewest links that join all records to the first one, each by the shortest path.

    Args:
        held: what links each record, the first record first.
    """
    links: list[Link] = []
    reached: set[str] = set()
    for start in held:
        # All but the first start are reached already, unless records changed since the last run.
        if start not in reached:
            found = _reach(held, start)
            reached.update({start}, (link.record for link in found))
            links += found
    return links


def shortest_path(
    held: Mapping[str, Sequence[Identifier]], start: str, goal: str
) -> list[Link] | None:
    """The fewest links from one record to another, in this order; None when nothing joins them.

    Of equally short paths, the one whose records and identifiers come first in ``held``.
    """
    by_record = {link.record: link for link in _reach(held, goal)}
    path: list[Link] = []
    record = start
    while record != goal:
        link = by_record.get(record)
        if link is None:
            return None
        path.append(link)
        record = link.joined_to
    return path


def _reach(held: Mapping[str, Sequence[Identifier]], start: str) -> list[Link]:
    """Links that lead each record towards the start, nearest records first."""
    holders: dict[Identifier, list[str]] = defaultdict(list)
    for record, identifiers in held.items():
        for identifier in identifiers:
            holders[identifier].append(record)
    links: list[Link] = []
    reached = {start}
    frontier = deque([start])
    while frontier:
        record = frontier.popleft()
        for identifier in held.get(record, ()):
            for other in holders[identifier]:
                if other not in reached:
                    reached.add(other)
                    frontier.append(other)
                    links.append(Link(other, record, *identifier))
    return links
