"""Previews: what decisions and settings would do, equal to what the next run then does."""

import pytest

from emarsys_pipeline.settings import StitchingSettings
from emarsys_pipeline.stages.stitched_identities.ledger import Decision, DecisionError, Identifier
from emarsys_pipeline.stages.stitched_identities.preview import (
    Change,
    Sizes,
    preview_identities,
)
from emarsys_pipeline_tests.stages.deciding import rows
from emarsys_pipeline_tests.stages.test_identity_decisions import (
    add_contacts,
    decide,
    groups,
    shop,
    stitch,
)
from emarsys_pipeline_tests.warehouses import Warehouse

DEFAULT = StitchingSettings()


def identity_of(warehouse: Warehouse, contact_id: str) -> str:
    found = dict(rows(warehouse, "select contact_id, identity_id from identity_members"))
    return str(found[contact_id])


@pytest.fixture
def stitched(warehouse: Warehouse) -> Warehouse:
    """A person of three contacts, and another of one."""
    add_contacts(
        warehouse,
        [
            ("a", "+49301"),
            ("b", "+49301 b@example.org"),
            ("c", "b@example.org"),
            ("d", "d@example.org"),
        ],
    )
    stitch(warehouse)
    warehouse.publish_pending(at_once=True)
    return warehouse


def test_a_decision_shows_what_the_next_run_does_and_writes_nothing(stitched: Warehouse) -> None:
    split = Decision(
        action="split", author="ana", reason="why", contact=shop("c"), other_contact=shop("a")
    )
    join = Decision(
        action="join", author="ana", reason="why", contact=shop("d"), other_contact=shop("c")
    )
    found = preview_identities(stitched, stitching=DEFAULT, decisions=[split, join])
    assert rows(stitched, "from identity_decisions") == []
    assert groups(stitched) == {"a b c", "d"}
    assert found.before == Sizes(identities=2, largest=3, quarantined=0, by_size={1: 1, 3: 1})
    assert found.after == Sizes(identities=2, largest=2, quarantined=1, by_size={2: 2})
    decide(stitched, "split", shop("c"), shop("a"))
    decide(stitched, "join", shop("d"), shop("c"))
    stitch(stitched, 1)
    assert groups(stitched) == {"a b", "c d"}
    events = rows(
        stitched,
        "select event, identity_id, other_identity_id, records from identity_events"
        " order by records desc, identity_id, other_identity_id",
    )
    assert [
        (change.event, change.identity_id, change.other_identity_id, change.records)
        for change in found.changes
    ] == events
    assert found.merges + found.splits == len(events)
    assert found.moved_records == sum(records for *_, records in events)


def test_changed_settings_show_merges_splits_and_sizes(stitched: Warehouse) -> None:
    blocking = DEFAULT.model_copy(update={"blocked_identifiers": ("b@example.org",)})
    whole = identity_of(stitched, "c")
    found = preview_identities(stitched, stitching=DEFAULT, proposed_stitching=blocking)
    stitch(stitched, 1, blocked_identifiers=("b@example.org",))
    kept, new = sorted(
        {identity_of(stitched, "a"), identity_of(stitched, "c")}, key=lambda each: each != whole
    )
    assert found.changes == [
        Change(
            event="split",
            identity_id=kept,
            other_identity_id=new,
            records=2 if identity_of(stitched, "b") == new else 1,
            size_before=3,
            size_after=2 if identity_of(stitched, "b") == new else 1,
        )
    ]
    assert found.after.by_size == {1: 2, 2: 1}


def test_a_preview_takes_the_ledger_into_account(stitched: Warehouse) -> None:
    decide(stitched, "block", identifier=("phone", "+49301"))
    stitched.publish_pending(at_once=True)
    release = Decision(
        action="release", author="ana", reason="why", identifier=Identifier("phone", "+49301")
    )
    found = preview_identities(stitched, stitching=DEFAULT, decisions=[release])
    assert (found.before.by_size, found.after.by_size) == ({1: 2, 2: 1}, {1: 1, 3: 1})
    assert (found.merges, found.splits) == (1, 0)


def test_a_preview_refuses_what_a_decision_refuses(stitched: Warehouse) -> None:
    unknown = Decision(
        action="join", author="ana", reason="why", contact=shop("a"), other_contact=shop("z")
    )
    with pytest.raises(DecisionError, match="is not among"):
        preview_identities(stitched, stitching=DEFAULT, decisions=[unknown])


def test_a_preview_before_the_first_run_says_so(warehouse: Warehouse) -> None:
    warehouse.publish_pending(at_once=True)
    with pytest.raises(DecisionError, match="nothing has been stitched"):
        preview_identities(warehouse, stitching=DEFAULT)
