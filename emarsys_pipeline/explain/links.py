"""Which shared identifiers join the records of one person."""

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field

Identifier = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Link:
    """Two records of a person that share an identifier."""

    record: str
    joined_to: str
    kind: str
    value: str = field(repr=False)


def spanning_links(
    held: Mapping[str, Sequence[Identifier]], *, usable: Set[Identifier]
) -> list[Link]:
    """The fewest links that join all records to the first one, each by the shortest path.

    Args:
        held: identifiers by record, the first record first.
        usable: the identifiers that may link; others were held back by a guard.
    """
    holders: dict[Identifier, list[str]] = defaultdict(list)
    for record, identifiers in held.items():
        for identifier in identifiers:
            if identifier in usable:
                holders[identifier].append(record)
    links: list[Link] = []
    reached: set[str] = set()
    for start in held:
        # All but the first start are reached already, unless a guard cut the person apart since.
        frontier = deque([] if start in reached else [start])
        reached.add(start)
        while frontier:
            record = frontier.popleft()
            for identifier in held[record]:
                for other in holders[identifier]:
                    if other not in reached:
                        reached.add(other)
                        frontier.append(other)
                        links.append(Link(other, record, *identifier))
    return links
