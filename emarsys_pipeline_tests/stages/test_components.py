"""Connected components against union-find and networkx, and a stitch against union-find."""

from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emarsys_pipeline.settings import StitchingSettings
from emarsys_pipeline.stages.stitched_identities import stitch_identities
from emarsys_pipeline.stages.stitched_identities.components import components_of
from emarsys_pipeline_tests.builders import window
from emarsys_pipeline_tests.reference import union_find
from emarsys_pipeline_tests.stages.resident_warehouse import ResidentWarehouse

LOOSE = StitchingSettings(max_contacts_per_identifier=1000, max_contacts_per_identity=1000)
KEYS = st.integers(min_value=-30, max_value=30)


@settings(max_examples=2000, deadline=None, print_blob=True)
@given(edges=st.lists(st.tuples(KEYS, KEYS), min_size=1, max_size=40))
def test_components_are_those_of_union_find(edges: list[tuple[int, int]]) -> None:
    tails, heads = np.array(edges, dtype=np.int64).T
    nodes, names = components_of(tails, heads)
    held: dict[str, set[str]] = {}
    for number, edge in enumerate(edges):
        for node in edge:
            held.setdefault(str(node), set()).add(str(number))
    expected = {int(node): min(map(int, group)) for group in union_find(held) for node in group}
    assert dict(zip(nodes.tolist(), names.tolist(), strict=True)) == expected


def test_components_of_a_large_graph_are_those_of_networkx() -> None:
    networkx = pytest.importorskip("networkx")
    random = np.random.default_rng(5)
    tails, heads = random.integers(0, 300_000, (2, 180_000))
    # A path as long as no rounds of a spreading label would reach soon.
    tails = np.concatenate([tails, np.arange(300_000, 340_000)])
    heads = np.concatenate([heads, np.arange(300_001, 340_001)])
    nodes, names = components_of(tails, heads)
    graph = networkx.Graph(zip(tails.tolist(), heads.tolist(), strict=True))
    found: dict[int, set[int]] = {}
    for node, name in zip(nodes.tolist(), names.tolist(), strict=True):
        found.setdefault(name, set()).add(node)
    assert {min(group): group for group in networkx.connected_components(graph)} == found
    assert max(map(len, found.values())) > 30_000


def test_identities_of_thousands_of_random_graphs_are_those_of_union_find(tmp_path: Path) -> None:
    """3000 graphs of up to 20 contacts in one stitch; no two share an identifier."""
    random = Random(11)  # noqa: S311 - graphs, not a secret
    held: dict[str, set[str]] = {}
    for graph in range(3000):
        identifiers = random.randint(1, 14)
        for contact in range(random.randint(1, 20)):
            numbers = random.choices(range(identifiers), k=random.randint(0, 3))
            held[f"{graph}-{contact}"] = {f"{graph}-{n}" for n in numbers}
    columns = {
        "contact_id": list(held),
        "phone_numbers": [
            [f"+49{n}" for n in sorted(numbers) if int(n[-1]) % 2] for numbers in held.values()
        ],
        "email_addresses": [
            [f"{n}@example.org" for n in sorted(numbers) if not int(n[-1]) % 2]
            for numbers in held.values()
        ],
    }
    warehouse = ResidentWarehouse(tmp_path / "warehouse")
    with warehouse.write() as connection:
        connection.register("contacts", pa.table(columns))
        connection.execute(
            "insert into current_contacts by name select 'shop_de' as account, contact_id,"
            " $start::timestamptz as first_window_start, $start::timestamptz as window_start,"
            " true as is_member, phone_numbers, email_addresses,"
            " $start::timestamptz as requested_at,"
            " $start::timestamptz as touched_window_start from contacts",
            {"start": window(0).start},
        )
    stitch_identities(warehouse, window(0), stitching=LOOSE, property_types={}, run_id="run")
    with warehouse.read() as connection:
        members = connection.execute(
            "select list(contact_id) from identity_members group by identity_id"
        ).fetchall()
    warehouse.close()
    assert {frozenset(contact_ids) for (contact_ids,) in members} == union_find(held)
