"""Cutting a component in two: apart, each side whole, and no link cut without need."""

from hypothesis import given, settings
from hypothesis import strategies as st

from emarsys_pipeline.stages.stitched_identities.splits import Link, cut_between
from emarsys_pipeline_tests.reference import union_find

LINKS = st.lists(
    st.tuples(
        st.integers(min_value=0, max_value=9),
        st.tuples(st.sampled_from(["phone", "email"]), st.integers(0, 6).map(str)),
    ),
    min_size=1,
    max_size=30,
    unique=True,
)
PAIR = st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(lambda pair: pair[0] != pair[1])


def connected(links: list[Link]) -> set[frozenset[str]]:
    """The records of all links, grouped by what connects them."""
    held: dict[str, set[str]] = {str(record): set() for record, _ in links}
    return union_find(held | _identifiers(links))


def _identifiers(links: list[Link]) -> dict[str, set[str]]:
    held: dict[str, set[str]] = {}
    for record, identifier in links:
        held.setdefault(str(record), set()).add("/".join(identifier))
    return held


def group_of(groups: set[frozenset[str]], record: int) -> frozenset[str]:
    return next((group for group in groups if str(record) in group), frozenset())


@settings(max_examples=400, deadline=None, print_blob=True)
@given(links=LINKS, pair=PAIR)
def test_a_split_makes_two_whole_sides_with_no_needless_cut(
    links: list[Link], pair: tuple[int, int]
) -> None:
    cut = cut_between(links, [(*pair, "d")])
    before = connected(links)
    # A record that lost all its links still is a record.
    left = [link for link in links if link not in cut]
    after = union_find({str(record): set[str]() for record, _ in links} | _identifiers(left))
    one, other = group_of(before, pair[0]), group_of(before, pair[1])
    assert set(cut.values()) <= {"d"}
    if not one or one != other:
        assert (cut, after) == ({}, before)
        return
    assert group_of(after, pair[0]) | group_of(after, pair[1]) == one
    assert not group_of(after, pair[0]) & group_of(after, pair[1])
    assert after - {group_of(after, record) for record in pair} == before - {one}
    assert cut_between(list(reversed(links)), [(*pair, "d")]) == cut


@settings(max_examples=200, deadline=None, print_blob=True)
@given(links=LINKS, pairs=st.lists(PAIR, min_size=2, max_size=4))
def test_several_splits_are_all_obeyed(links: list[Link], pairs: list[tuple[int, int]]) -> None:
    cut = cut_between(links, [(*pair, f"d{number}") for number, pair in enumerate(pairs)])
    left = [link for link in links if link not in cut]
    after = union_find({str(record): set[str]() for record, _ in links} | _identifiers(left))
    for one, other in pairs:
        assert not group_of(after, one) & group_of(after, other)
