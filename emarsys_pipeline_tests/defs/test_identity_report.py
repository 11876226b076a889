"""What people see of identities: sizes, quarantine, masked identifiers, unusual merges."""

import pytest

from emarsys_pipeline.defs.identities.checks import merges_as_usual, nothing_missed
from emarsys_pipeline.defs.identities.report import identity_report
from emarsys_pipeline.settings import StitchingSettings
from emarsys_pipeline.stages.stitched_identities import IdentitiesStitched
from emarsys_pipeline_tests.builders import add_contact, window
from emarsys_pipeline_tests.stages.test_identity_decisions import (
    add_conflict,
    add_contacts,
    decide,
    groups,
    stitch,
)
from emarsys_pipeline_tests.warehouses import Warehouse


def test_the_report_shows_sizes_quarantine_and_masked_identifiers(warehouse: Warehouse) -> None:
    add_contacts(warehouse, [(f"office{number}", "+493012345678") for number in range(11)])
    add_contacts(warehouse, [(f"desk{number}", "desk@example.org") for number in range(12)])
    add_conflict(warehouse)
    stitch(warehouse)
    decide(warehouse, "confirm", identifier=("phone", "+493012345678"))
    stitch(warehouse)
    found = identity_report(warehouse)
    assert found["undecided_links"] == 3
    assert found["sizes"].md_str.splitlines()[2:] == ["| 1 | 24 | 24 |", "| 2 | 2 | 4 |"]
    conflict = "phone and e-mail lead to different messaging-side contacts"
    assert found["quarantine"].md_str.split("\n\n")[0].splitlines()[2:] == [
        f"| {conflict} | 2 | 2 |",
        "| confirmed by a decision | 1 | 0 |",
        "| held by too many records | 1 | 1 |",
    ]
    assert found["most_shared_identifiers"].md_str.splitlines()[2:] == [
        "| d…@example.org | 12 | held by too many records |",
        "| +49…78 | 11 | confirmed by a decision |",
        f"| q…@example.org | 3 | {conflict} |",
        f"| +49…01 | 3 | {conflict} |",
    ]
    assert found["decisions_in_force"].md_str.splitlines()[2:] == ["| confirm | 1 |"]
    assert "12345" not in str(found)


def merge_pairs(warehouse: Warehouse, number: int, pairs: int) -> None:
    """In a window, contacts get the number of others that were there before."""
    with warehouse.write() as connection:
        for pair in range(pairs):
            for contact_id in (f"{number}a{pair}", f"{number}b{pair}"):
                add_contact(connection, contact_id, number=0, phones=[f"+49{contact_id}"])
    stitch(warehouse, 0)
    with warehouse.write() as connection:
        for pair in range(pairs):
            add_contact(
                connection, f"{number}b{pair}", number=number, phones=[f"+49{number}a{pair}"]
            )
    stitch(warehouse, number)


@pytest.mark.parametrize(
    ("minimum", "factor", "passed"), [(0, 5.0, False), (6, 5.0, True), (0, 6.0, True)]
)
def test_a_jump_in_merges_is_told(
    warehouse: Warehouse, *, minimum: int, factor: float, passed: bool
) -> None:
    """One merge in window 1, six in window 2."""
    stitching = StitchingSettings(unusual_merges_factor=factor, unusual_merges_minimum=minimum)
    merge_pairs(warehouse, 1, 1)
    first = merges_as_usual(warehouse, stitching, [window(1)])
    assert (first.passed, first.description) == (True, "No earlier window to compare with.")
    merge_pairs(warehouse, 2, 6)
    assert len(groups(warehouse)) == 7
    found = merges_as_usual(warehouse, stitching, [window(2)])
    assert found.passed is passed
    told = f"{window(2).key} merged 6 identities, earlier windows 1.0 on average"
    assert found.description == ("No more merges than usual." if passed else told)


@pytest.mark.parametrize(
    ("missed", "windows", "words"),
    [
        pytest.param([None], [], "no window's turn", id="not looked at"),
        pytest.param([None, 0], [window(1).key], "nothing had been missed", id="nothing"),
        pytest.param([2, 1], [window(0).key, window(1).key], "3 contacts had", id="missed"),
    ],
)
def test_the_check_tells_what_linking_all_contacts_found(
    missed: list[int | None], windows: list[str], words: str
) -> None:
    results = [
        IdentitiesStitched(
            records=9,
            identities=9,
            assigned=0,
            merges=0,
            splits=0,
            quarantined=0,
            largest=1,
            missed=count,
        )
        for count in missed
    ]
    found = nothing_missed([window(number) for number in range(len(missed))], results)
    assert found.passed is (sum(count or 0 for count in missed) == 0)
    assert words in str(found.description)
    assert found.metadata["windows"].value == windows
