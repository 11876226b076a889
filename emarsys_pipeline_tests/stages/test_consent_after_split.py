"""Consent of two people who were taken for one: after a split, each has the own decisions again."""

from emarsys_pipeline_tests.builders import add_consent, add_contact, add_platform_contact
from emarsys_pipeline_tests.stages.deciding import (
    NOW,
    OTHER_PHONE,
    PHONE,
    add_field,
    deltas,
    derive,
    rows,
    settle,
    stitch,
)
from emarsys_pipeline_tests.stages.test_identity_decisions import decide, groups, shop
from emarsys_pipeline_tests.warehouses import Warehouse

STATUS = (
    "select string_agg(contact_id, ' ' order by contact_id), status, event_id"
    " from consent_status inner join identity_members using (identity_id) group by all order by 1"
)


def test_each_side_of_a_split_gets_the_consent_of_its_own_events(warehouse: Warehouse) -> None:
    """A couple shares an address: she grants by her phone, he withdraws by his, later."""
    add_field(warehouse)
    with warehouse.write() as connection:
        add_contact(connection, "her", phones=[PHONE], emails=["home@example.org"])
        add_contact(connection, "him", phones=[OTHER_PHONE], emails=["home@example.org"])
        add_platform_contact(connection, "p-her", phone=PHONE)
        add_platform_contact(connection, "p-him", phone=OTHER_PHONE)
        add_consent(connection, "yes", "granted", minute=1, phone=PHONE)
        add_consent(connection, "no", "withdrawn", minute=2, platform_contact_id="p-him")
        add_consent(connection, "whose", "granted", minute=3, email="nobody@example.org")
    stitch(warehouse, 0)
    derive(warehouse, 0)
    settle(warehouse, "accepted", NOW)
    assert groups(warehouse) == {"her him p-her p-him"}
    assert rows(warehouse, STATUS) == [("her him p-her p-him", "withdrawn", "no")]

    decide(warehouse, "split", shop("her"), shop("him"))
    stitch(warehouse, 1)
    derive(warehouse, 1, minute=5)
    assert groups(warehouse) == {"her p-her", "him p-him"}
    assert rows(warehouse, STATUS) == [
        ("her p-her", "granted", "yes"),
        ("him p-him", "withdrawn", "no"),
    ]
    assert deltas(warehouse) == [
        ("shop_de", "her", None, "withdrawn", "stitched", "no"),
        ("shop_de", "him", None, "withdrawn", "stitched", "no"),
        ("shop_de", "her", "withdrawn", "granted", "stitched", "yes"),
    ]


def test_a_decision_by_an_identifier_of_both_sides_speaks_for_neither(
    warehouse: Warehouse,
) -> None:
    """Nothing tells whose it was, so it is reported as unresolved instead of guessed."""
    with warehouse.write() as connection:
        add_contact(connection, "1", phones=[PHONE])
        add_contact(connection, "2", phones=[PHONE])
        add_consent(connection, "yes", "granted", minute=1, phone=PHONE)
    stitch(warehouse, 0)
    decide(warehouse, "split", shop("1"), shop("2"))
    stitch(warehouse, 1)
    assert rows(warehouse, "select event_id, identity_id from resolved_consent_events") == [
        ("yes", None)
    ]


def test_revoking_a_split_brings_the_consent_of_both_together_again(warehouse: Warehouse) -> None:
    with warehouse.write() as connection:
        add_contact(connection, "1", phones=[PHONE])
        add_contact(connection, "2", phones=[PHONE])
        add_consent(connection, "yes", "granted", minute=1, phone=PHONE)
    stitch(warehouse, 0)
    decision = decide(warehouse, "split", shop("1"), shop("2"))
    stitch(warehouse, 1)
    decide(warehouse, "revoke", revoked=decision)
    stitch(warehouse, 1)
    assert rows(warehouse, STATUS) == [("1 2", "granted", "yes")]
