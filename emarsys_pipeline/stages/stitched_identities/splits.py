"""Keeps contacts apart that a decision split, and cuts as few links for it as their paths allow.

A component is a graph of records and identifiers. Seen from the two contacts of a split, each
record and each identifier falls to the contact that is nearer by the number of links; what is
equally near stays with the second one, from whom the first was split. Links between the two sides
are cut. Each side stays connected: a shortest path to the nearer contact never leaves its side.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence, Set
from itertools import groupby

import duckdb
import pyarrow as pa

from emarsys_pipeline.warehouse import load_sql

Identifier = tuple[str, str]
Node = int | Identifier
Link = tuple[int, Identifier]


def separate_split_pairs(connection: duckdb.DuckDBPyConnection) -> None:
    """Give split pairs components of their own, and add the links cut for it to ``cut_links``.

    Reads components, decided_pairs, record_identifiers and shared_identifiers.
    """
    pairs = connection.execute(
        "select record_key, other_record_key, decision_id from decided_pairs"
        " where action = 'split' order by decided_at, decision_id"
    ).fetchall()
    if not pairs:
        return
    rows = connection.execute(load_sql(__package__, "split_graph.sql")).fetchall()
    names: list[tuple[int, int]] = []
    cuts: list[tuple[int, str, str, str]] = []
    for _, links in groupby(rows, key=lambda row: row[0]):
        held = [(int(record), (str(kind), str(value))) for _, record, kind, value in links]
        cut = cut_between(held, pairs)
        cuts += [(record, *identifier, decision) for (record, identifier), decision in cut.items()]
        names += _components(held, cut.keys())
    _replace_components(connection, names)
    _add_cuts(connection, cuts)


def cut_between(links: Iterable[Link], pairs: Sequence[tuple[int, int, str]]) -> dict[Link, str]:
    """The links of one component to cut so that no pair is connected, each with its decision.

    Args:
        links: which record holds which identifier.
        pairs: two records to keep apart and the decision's id, in the order of the decisions.
    """
    neighbours: dict[Node, set[Node]] = defaultdict(set)
    for record, identifier in links:
        neighbours[record].add(identifier)
        neighbours[identifier].add(record)
    cut: dict[Link, str] = {}
    for record, other, decision in pairs:
        if record not in neighbours or other not in neighbours:
            continue
        near, nearer_to_other = _distances(neighbours, record), _distances(neighbours, other)
        if other not in near:
            continue
        side = {node for node, steps in near.items() if steps < nearer_to_other[node]}
        for inside in side:
            for outside in [node for node in neighbours[inside] if node not in side]:
                neighbours[inside].discard(outside)
                neighbours[outside].discard(inside)
                cut[_link(inside, outside)] = decision
    return cut


def _distances(neighbours: Mapping[Node, Set[Node]], start: Node) -> dict[Node, int]:
    steps = {start: 0}
    frontier = deque([start])
    while frontier:
        node = frontier.popleft()
        for following in neighbours[node]:
            if following not in steps:
                steps[following] = steps[node] + 1
                frontier.append(following)
    return steps


def _link(one: Node, other: Node) -> Link:
    """The record and the identifier of two nodes, of which one is each."""
    if isinstance(one, int) and not isinstance(other, int):
        return one, other
    if isinstance(other, int) and not isinstance(one, int):
        return other, one
    raise TypeError("a link is between a record and an identifier")


def _components(links: Sequence[Link], cut: Set[Link]) -> list[tuple[int, int]]:
    """Each record with the smallest record of what the remaining links connect it with."""
    neighbours: dict[Node, set[Node]] = defaultdict(set)
    for record, identifier in links:
        neighbours[record]
        if (record, identifier) not in cut:
            neighbours[record].add(identifier)
            neighbours[identifier].add(record)
    named: dict[int, int] = {}
    for start in sorted({record for record, _ in links}):
        if start not in named:
            reached = (node for node in _distances(neighbours, start) if isinstance(node, int))
            named.update(dict.fromkeys(reached, start))
    return sorted(named.items())


def _replace_components(
    connection: duckdb.DuckDBPyConnection, names: Sequence[tuple[int, int]]
) -> None:
    separated = pa.table(
        {
            "record_key": pa.array([record for record, _ in names], pa.int64()),
            "component": pa.array([component for _, component in names], pa.int64()),
        }
    )
    connection.register("separated", separated)
    connection.execute(
        "delete from components where record_key in (select record_key from separated)"
    )
    connection.execute("insert into components by name from separated")
    connection.unregister("separated")


def _add_cuts(
    connection: duckdb.DuckDBPyConnection, cuts: Sequence[tuple[int, str, str, str]]
) -> None:
    # Joins that a later split took back are no identifiers.
    held = [cut for cut in cuts if cut[1] != "join"]
    names = ("record_key", "kind", "value", "decision_id")
    types = (pa.int64(), pa.string(), pa.string(), pa.string())
    columns = {
        name: pa.array([cut[position] for cut in held], kind)
        for position, (name, kind) in enumerate(zip(names, types, strict=True))
    }
    connection.register("split_cuts", pa.table(columns))
    connection.execute(
        "insert into cut_links by name select *, 'split by a decision' as reason from split_cuts"
    )
    connection.unregister("split_cuts")
