"""What people decide about identities: durable, revocable, and obeyed by the next run."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from emarsys_pipeline.settings import StitchingSettings
from emarsys_pipeline.stages.stitched_identities import stitch_identities
from emarsys_pipeline.stages.stitched_identities.ledger import (
    Action,
    Contact,
    Decision,
    DecisionError,
    Identifier,
    add_decisions,
)
from emarsys_pipeline.stages.stitched_identities.splits import cut_between
from emarsys_pipeline_tests.builders import GRID, add_contact, add_platform_contact, window
from emarsys_pipeline_tests.stages.deciding import rows
from emarsys_pipeline_tests.warehouses import Warehouse

NOW = datetime(2026, 3, 1, tzinfo=UTC)
MINUTES = count()


def shop(contact_id: str) -> Contact:
    return Contact("emarsys", "shop_de", contact_id)


def person(contact_id: str) -> Contact:
    return Contact("platform", "", contact_id)


def decide(
    warehouse: Warehouse,
    action: Action,
    contact: Contact | None = None,
    other: Contact | None = None,
    identifier: tuple[str, str] | None = None,
    revoked: str | None = None,
) -> str:
    """Decide, a minute after the decision before."""
    (decision_id,) = add_decisions(
        warehouse,
        [
            Decision(
                action=action,
                author="ana",
                reason="because",
                contact=contact,
                other_contact=other,
                identifier=None if identifier is None else Identifier(*identifier),
                revoked_decision_id=revoked,
            )
        ],
        first_window_start=GRID.start,
        now=lambda: NOW + timedelta(minutes=next(MINUTES)),
    )
    return decision_id


def stitch(warehouse: Warehouse, number: int = 0, **stitching: object) -> None:
    stitch_identities(
        warehouse,
        window(number),
        stitching=StitchingSettings.model_validate(stitching),
        property_types={},
        run_id="run",
    )


def groups(warehouse: Warehouse) -> set[str]:
    """The contact ids of each identity, in one text each."""
    found = rows(
        warehouse,
        "select string_agg(contact_id, ' ' order by contact_id) from identity_members"
        " group by identity_id",
    )
    return {members for (members,) in found}


def quarantined(warehouse: Warehouse) -> list[tuple[object, ...]]:
    return rows(
        warehouse,
        "select value, contact_id, reason, decision_id from quarantined_links order by all",
    )


def add_contacts(warehouse: Warehouse, holders: Iterable[tuple[str, str]]) -> None:
    """Contacts and what they hold: numbers and addresses, separated by blanks."""
    with warehouse.write() as connection:
        for contact_id, held in holders:
            add_contact(
                connection,
                contact_id,
                phones=[each for each in held.split() if "@" not in each],
                emails=[each for each in held.split() if "@" in each],
            )


CHAIN = (("a", "+49301"), ("b", "+49301 b@example.org"), ("c", "b@example.org"))


def test_a_split_cuts_the_shortest_way_and_stays_in_later_windows(warehouse: Warehouse) -> None:
    add_contacts(warehouse, CHAIN)
    stitch(warehouse)
    assert groups(warehouse) == {"a b c"}
    decision = decide(warehouse, "split", shop("a"), shop("c"))
    stitch(warehouse)
    assert groups(warehouse) == {"a", "b c"}
    assert quarantined(warehouse) == [("+49301", "b", "split by a decision", decision)]
    add_contacts(warehouse, [("d", "+49301 b@example.org")])
    stitch(warehouse, 1)
    assert groups(warehouse) == {"a", "b c d"}


def test_a_join_links_what_shares_nothing_until_it_is_revoked(warehouse: Warehouse) -> None:
    add_contacts(warehouse, [("a", "+49301"), ("b", "+49302"), ("c", "+49302")])
    stitch(warehouse)
    decision = decide(warehouse, "join", shop("a"), shop("c"))
    stitch(warehouse)
    assert groups(warehouse) == {"a b c"}
    decide(warehouse, "revoke", revoked=decision)
    stitch(warehouse)
    assert groups(warehouse) == {"a", "b c"}
    assert [action for (action,) in rows(warehouse, "select action from identity_decisions")] == [
        "join",
        "revoke",
    ]


def test_a_revoked_decision_leaves_no_trace_in_golden_records(warehouse: Warehouse) -> None:
    """The window is stitched again each time, so its rows do not tell of what it was meanwhile."""
    golden = "select * exclude (window_start) from identities order by identity_id"
    add_contacts(warehouse, CHAIN)
    stitch(warehouse, 0)
    stitch(warehouse, 1)
    whole = rows(warehouse, golden)
    decision = decide(warehouse, "split", shop("a"), shop("c"))
    stitch(warehouse, 1)
    assert sorted(row[2] for row in rows(warehouse, golden)) == [1, 2]
    decide(warehouse, "revoke", revoked=decision)
    stitch(warehouse, 1)
    assert rows(warehouse, golden) == whole


def test_the_newest_decision_on_a_pair_holds_and_revoking_it_brings_the_older_back(
    warehouse: Warehouse,
) -> None:
    add_contacts(warehouse, [("a", "+49301"), ("b", "+49301")])
    stitch(warehouse)
    decide(warehouse, "split", shop("a"), shop("b"))
    joined = decide(warehouse, "join", shop("b"), shop("a"))
    stitch(warehouse)
    assert groups(warehouse) == {"a b"}
    decide(warehouse, "revoke", revoked=joined)
    stitch(warehouse)
    assert groups(warehouse) == {"a", "b"}


def test_blocked_and_released_identifiers(warehouse: Warehouse) -> None:
    add_contacts(warehouse, [("a", "+49301"), ("b", "+49301")])
    add_contacts(warehouse, [(f"office{n}", "+49302") for n in range(3)])
    stitch(warehouse, max_contacts_per_identifier=2)
    assert groups(warehouse) == {"a b", "office0", "office1", "office2"}
    blocked = decide(warehouse, "block", identifier=("phone", "+49301"))
    decide(warehouse, "release", identifier=("phone", "+49302"))
    stitch(warehouse, max_contacts_per_identifier=2)
    assert groups(warehouse) == {"a", "b", "office0 office1 office2"}
    assert quarantined(warehouse) == [("+49301", None, "blocked by a decision", blocked)]


def test_a_release_goes_before_the_curated_list_and_the_size_of_an_identity(
    warehouse: Warehouse,
) -> None:
    add_contacts(warehouse, [(str(n), "test@test.com") for n in range(5)])
    stitch(warehouse)
    assert len(groups(warehouse)) == 5
    decide(warehouse, "release", identifier=("email", "test@test.com"))
    stitch(warehouse, max_contacts_per_identity=4)
    assert groups(warehouse) == {"0 1 2 3 4"}


def test_a_confirmed_identifier_stays_out_when_fewer_hold_it(warehouse: Warehouse) -> None:
    add_contacts(warehouse, [(str(n), "+49301") for n in range(3)])
    stitch(warehouse, max_contacts_per_identifier=2)
    decision = decide(warehouse, "confirm", identifier=("phone", "+49301"))
    stitch(warehouse)
    assert len(groups(warehouse)) == 3
    assert quarantined(warehouse) == [("+49301", None, "confirmed by a decision", decision)]


def add_conflict(warehouse: Warehouse) -> None:
    """A contact whose phone is one person's and whose address another's, and a friend of each."""
    with warehouse.write() as connection:
        add_platform_contact(connection, "p", phone="+49301")
        add_platform_contact(connection, "q", email="q@example.org")
    add_contacts(
        warehouse,
        [("c", "+49301 q@example.org"), ("like_p", "+49301"), ("like_q", "q@example.org")],
    )


CONFLICT = "phone and e-mail lead to different messaging-side contacts"


@pytest.mark.parametrize(
    ("setting", "expected", "cut"),
    [
        ("quarantine", {"c", "like_p p", "like_q q"}, ["+49301", "q@example.org"]),
        ("phone", {"c like_p p", "like_q q"}, ["q@example.org"]),
        ("email", {"like_p p", "c like_q q"}, ["+49301"]),
        ("merge", {"c like_p like_q p q"}, []),
    ],
)
def test_phone_and_email_of_two_people_do_what_the_setting_says(
    warehouse: Warehouse, setting: str, expected: set[str], cut: list[str]
) -> None:
    add_conflict(warehouse)
    stitch(warehouse, messaging_conflict=setting)
    assert groups(warehouse) == expected
    assert quarantined(warehouse) == [(value, "c", CONFLICT, None) for value in cut]


def test_a_conflict_is_settled_by_release_confirm_or_join(warehouse: Warehouse) -> None:
    add_conflict(warehouse)
    stitch(warehouse)
    released = decide(warehouse, "release", identifier=("phone", "+49301"))
    stitch(warehouse)
    assert groups(warehouse) == {"c like_p p", "like_q q"}
    decide(warehouse, "revoke", revoked=released)
    confirmed = decide(warehouse, "confirm", shop("c"), identifier=("email", "q@example.org"))
    stitch(warehouse)
    assert groups(warehouse) == {"c like_p p", "like_q q"}
    assert quarantined(warehouse) == [("q@example.org", "c", "confirmed by a decision", confirmed)]
    decide(warehouse, "join", person("p"), person("q"))
    stitch(warehouse)
    assert groups(warehouse) == {"c like_p like_q p q"}


def test_messaging_side_contacts_that_share_an_identifier_are_no_conflict(
    warehouse: Warehouse,
) -> None:
    with warehouse.write() as connection:
        add_platform_contact(connection, "p", phone="+49301", email="both@example.org")
        add_platform_contact(connection, "q", phone="+49302", email="both@example.org")
        add_platform_contact(connection, "r", phone="+49302", email="r@example.org")
    add_contacts(warehouse, [("c", "+49301 both@example.org")])
    stitch(warehouse)
    assert groups(warehouse) == {"c p q r"}


def test_patterns_block_whole_identifiers(warehouse: Warehouse) -> None:
    add_contacts(warehouse, [(f"{n}", held) for n, held in enumerate(["x@desk.example.org"] * 2)])
    add_contacts(warehouse, [("a", "x@example.org"), ("b", "x@example.org")])
    stitch(warehouse, blocked_patterns=[r".*@desk[.]example[.]org"])
    assert groups(warehouse) == {"0", "1", "a b"}
    assert quarantined(warehouse) == [("x@desk.example.org", None, "blocked pattern", None)]


def test_a_decision_holds_from_its_window_on_and_earlier_history_stays(
    warehouse: Warehouse,
) -> None:
    add_contacts(warehouse, CHAIN)
    stitch(warehouse, 0)
    stitch(warehouse, 1)
    decide(warehouse, "split", shop("a"), shop("b"))
    stitch(warehouse, 1)
    for number in (0, 1):
        stitch(warehouse, number)
    assert rows(warehouse, "select window_start, event, records from identity_events") == [
        (window(1).start, "split", 2)
    ]


@pytest.mark.parametrize(
    ("decision", "message"),
    [
        (Decision(action="split", author="ana", reason=" "), "a reason"),
        (
            Decision(
                action="join", author="a", reason="b", contact=shop("a"), other_contact=shop("a")
            ),
            "one contact",
        ),
        (
            Decision(
                action="join", author="a", reason="b", contact=shop("a"), other_contact=shop("z")
            ),
            "emarsys:shop_de:z is not among",
        ),
        (
            Decision(action="revoke", author="a", reason="b", revoked_decision_id="d0"),
            "no decision d0 in force",
        ),
    ],
    ids=["no reason", "one contact", "unknown contact", "unknown decision"],
)
def test_a_decision_that_cannot_be_obeyed_is_refused_with_all_others(
    warehouse: Warehouse, decision: Decision, message: str
) -> None:
    add_contacts(warehouse, CHAIN)
    stitch(warehouse)
    good = Decision(
        action="block", author="ana", reason="desk", identifier=Identifier("phone", "+49301")
    )
    with pytest.raises(DecisionError, match=message):
        add_decisions(warehouse, [good, decision], first_window_start=GRID.start)
    assert rows(warehouse, "from identity_decisions") == []


@pytest.mark.parametrize(
    ("text", "contact"),
    [
        ("emarsys:shop_de:1:2", Contact("emarsys", "shop_de", "1:2")),
        ("platform:p", person("p")),
        ("platform::p", person("p")),
    ],
)
def test_contacts_are_named_by_source_account_and_id(text: str, contact: Contact) -> None:
    assert Contact.parse(text) == contact
    assert Contact.parse(str(contact)) == contact
    with pytest.raises(DecisionError, match="names no contact"):
        Contact.parse(text.replace(":", "-"))


def test_what_is_equally_near_stays_with_the_contact_that_was_split_from() -> None:
    phone, email, far = ("phone", "1"), ("email", "2"), ("email", "3")
    links = [(1, phone), (2, phone), (1, email), (3, email), (2, far), (3, far)]
    assert cut_between(links, [(1, 2, "d")]) == {(1, phone): "d", (3, email): "d"}
    assert cut_between(links, [(2, 1, "d")]) == {(2, phone): "d", (3, far): "d"}
    assert cut_between(links, [(1, 4, "d")]) == {}
