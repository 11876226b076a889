"""The seven actions: names instead of ids, labels, and answers to mistakes."""

import pytest

from emarsys_pipeline.emarsys import Choice, EmarsysClient, Field, actions, errors
from emarsys_pipeline.emarsys.field_values import encode_value
from emarsys_pipeline.emarsys.names import find_choice, find_field
from emarsys_pipeline_tests.emarsys.scripted_server import ScriptedServer, envelope, ok

FIELDS = [
    Field("1", "First Name", "first_name", "shorttext"),
    Field("3", "Email", "email", "longtext"),
    Field("4", "Date of Birth", "birth_date", "birthdate"),
    Field("5", "Gender", "gender", "singlechoice"),
    Field("7", "Children", "children", "singlechoice"),
    Field("31", "Opt-In", "optin", "special"),
    Field("32", "User status", "status", "special"),
    Field("37", "Mobile", "mobile", "shorttext"),
    Field("10231", "Favourite colours", "fav_colours", "multichoice"),
    Field("10301", "Tier", "tier_old", "shorttext"),
    Field("10302", "Tier", "tier_new", "shorttext"),
]
GENDER = [Choice("1", "Male"), Choice("2", "Female"), Choice("3", "Prefer not to say")]
CHILDREN = [Choice("1", "0"), Choice("2", "1")]
COLOURS = [Choice("1", "Red"), Choice("4", "Blue")]
FIELD_LIST = ok(
    [
        {
            "id": int(field.id),
            "name": field.name,
            "string_id": field.string_id,
            "application_type": field.application_type,
        }
        for field in FIELDS
    ]
)
CHOICES = ok(
    {
        "5": [{"id": choice.id, "choice": choice.label} for choice in GENDER],
        "10231": [{"id": choice.id, "choice": choice.label} for choice in COLOURS],
    }
)
MINA = ok(
    {"errors": [], "result": [{"id": "700100", "uid": "u", "1": "Mina", "5": "2", "10231": [1, 4]}]}
)
ASKED = ["First Name", "gender", "10231", "mobile"]


def test_get_contact_answers_with_ids(server: ScriptedServer, client: EmarsysClient) -> None:
    server.answer_with(FIELD_LIST, MINA)
    contact = actions.get_contact(client, key_field="E-mail", key="mina@example.org", fields=ASKED)
    assert contact.as_dict() == {
        "contact_id": "700100",
        "values": {
            "first_name": "Mina",
            "gender": "2",
            "fav_colours": ["1", "4"],
            "mobile": None,
        },
    }
    assert server.requests[1].json == {
        "keyId": "3",
        "keyValues": ["mina@example.org"],
        "fields": [1, 5, 10231, 37, 3],
    }
    assert "Mina" not in repr(contact)


def test_get_contact_with_labels_translates_single_and_multi_choice(
    server: ScriptedServer, client: EmarsysClient
) -> None:
    server.answer_with(FIELD_LIST, MINA, CHOICES)
    contact = actions.get_contact_with_labels(
        client, key_field="email", key="mina@example.org", fields=ASKED, language="de"
    )
    assert contact.as_dict()["values"] == {
        "first_name": "Mina",
        "gender": "Female",
        "fav_colours": ["Red", "Blue"],
        "mobile": None,
    }
    assert server.requests[2].path == "/api/v2/field/choices?fields=5%2C10231&language=de"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"errors": [{"key": "k", "errorCode": 2010, "errorMsg": "More"}], "result": False}, 2010),
        ({"errors": [], "result": False}, 2008),
    ],
    ids=["shared by several", "missing"],
)
def test_get_contact_fails_for_a_key_without_one_contact(
    server: ScriptedServer, client: EmarsysClient, data: object, code: int
) -> None:
    server.answer_with(FIELD_LIST, ok(data))
    with pytest.raises(errors.ContactFailedError) as caught:
        actions.get_contact(client, key_field="3", key="k", fields=["1"])
    assert caught.value.code == code


def test_update_contact_takes_names_and_labels(
    server: ScriptedServer, client: EmarsysClient
) -> None:
    server.answer_with(FIELD_LIST, CHOICES, ok({"ids": ["700100"]}))
    written = actions.update_contact(
        client,
        key_field="email",
        key="mina@example.org",
        values={
            "First Name": "Mina",
            "gender": "female",
            "Favourite colours": "Blue, red",
            "optin": "true",
            "birth_date": "1990-02-03",
            "mobile": None,
        },
    )
    assert written == actions.ContactWritten("700100", ("1", "5", "10231", "31", "4", "37"))
    assert server.requests[2].path == "/api/v2/contact/?create_if_not_exists=1"
    assert server.requests[2].json == {
        "key_id": "3",
        "contacts": [
            {
                "1": "Mina",
                "5": "2",
                "10231": ["4", "1"],
                "31": "1",
                "4": "1990-02-03",
                "37": None,
                "3": "mina@example.org",
            }
        ],
    }


def test_update_contact_without_creation_reports_the_missing_contact(
    server: ScriptedServer, client: EmarsysClient
) -> None:
    refused = ok({"ids": [], "errors": {"m@example.org": {"2008": "No contact: m@example.org"}}})
    server.answer_with(FIELD_LIST, refused)
    with pytest.raises(errors.ContactFailedError, match="2008") as caught:
        actions.update_contact(
            client, key_field="3", key="m@example.org", values={"1": "M"}, create=False
        )
    assert "example.org" not in str(caught.value)
    assert server.requests[1].path == "/api/v2/contact/"


def test_two_creations_that_meet_end_in_one_update(
    server: ScriptedServer, client: EmarsysClient
) -> None:
    server.answer_with(
        FIELD_LIST,
        ok({"ids": [], "errors": {"m@example.org": {"2009": "exists"}}}),
        ok({"ids": ["7"]}),
    )
    written = actions.update_contact(client, key_field="3", key="m@example.org", values={"1": "M"})
    assert written.contact_id == "7"


def test_choices_are_listed_by_kind(server: ScriptedServer, client: EmarsysClient) -> None:
    server.answer_with(FIELD_LIST, ok([{"id": "1", "choice": "Male"}]), FIELD_LIST, CHOICES)
    assert actions.list_single_choices(client, field="Gender") == [Choice("1", "Male")]
    assert actions.list_multi_choices(client, field="fav_colours") == COLOURS


def test_choices_of_the_wrong_kind_of_field_are_refused(
    server: ScriptedServer, client: EmarsysClient
) -> None:
    server.answer_with(FIELD_LIST)
    with pytest.raises(errors.UnusableValueError, match="type multichoice, not single choice"):
        actions.list_single_choices(client, field="fav_colours")
    with pytest.raises(errors.UnusableValueError, match="type singlechoice, not multi choice"):
        actions.list_multi_choices(client, field="5")


def test_fields_are_listed(server: ScriptedServer, client: EmarsysClient) -> None:
    server.answer_with(FIELD_LIST)
    assert actions.list_fields(client) == FIELDS


def test_an_event_is_triggered_by_name(server: ScriptedServer, client: EmarsysClient) -> None:
    server.answer_with(ok([{"id": 123, "name": "order_paid"}]), FIELD_LIST, ok(""))
    event_id = actions.trigger_event(
        client, event="Order_Paid", key_field="email", key="m@example.org", data={"a": 1}
    )
    assert event_id == "123"
    assert (server.requests[2].path, server.requests[2].json) == (
        "/api/v2/event/123/trigger",
        {"key_id": "3", "external_id": "m@example.org", "data": {"a": 1}},
    )


def test_an_event_given_by_id_is_not_looked_up(
    server: ScriptedServer, client: EmarsysClient
) -> None:
    server.answer_with(envelope(5001, "Invalid event id for customer.", status=400))
    with pytest.raises(errors.RejectedRequestError, match="5001"):
        actions.trigger_event(client, event="999", key_field="3", key="m@example.org")
    assert len(server.requests) == 1


def test_a_mistaken_event_is_answered_with_the_nearest(
    server: ScriptedServer, client: EmarsysClient
) -> None:
    server.answer_with(ok([{"id": 123, "name": "order_paid"}, {"id": 124, "name": "welcome"}]))
    with pytest.raises(errors.UnknownNameError, match=r"nearest: order_paid \(123\)"):
        actions.trigger_event(client, event="order_payed", key_field="3", key="k")


@pytest.mark.parametrize("called", ["3", "email", "EMAIL", " Email ", "E-Mail"])
def test_a_field_is_found_by_id_string_id_or_name(called: str) -> None:
    assert find_field(FIELDS, called).id == "3"


@pytest.mark.parametrize(
    ("called", "message"),
    [
        ("Frist Name", r"nearest: First Name \(1\)"),
        ("zzzz", "no field is called 'zzzz'. Use one"),
        ("Tier", "several fields are called 'Tier': 10301, 10302"),
        ("", "no field is called ''"),
    ],
)
def test_a_mistaken_field_is_answered_with_the_nearest(called: str, message: str) -> None:
    with pytest.raises(errors.UnknownNameError, match=message):
        find_field(FIELDS, called)


def test_a_choice_whose_id_is_the_label_of_another_must_be_told_apart() -> None:
    children = FIELDS[4]
    with pytest.raises(errors.UnknownNameError, match="id:1 for the id or label:1 for the label"):
        find_choice(children, CHILDREN, "1")
    assert find_choice(children, CHILDREN, "id:1").label == "0"
    assert find_choice(children, CHILDREN, "label:1").id == "2"
    assert find_choice(children, CHILDREN, "0").id == "1"


def test_a_mistaken_choice_is_answered_with_the_nearest() -> None:
    with pytest.raises(errors.UnknownNameError, match=r"nearest: Female \(2\), Male \(1\)"):
        find_choice(FIELDS[3], GENDER, "femal")


@pytest.mark.parametrize(
    ("field_id", "value", "message"),
    [
        ("32", "1", "read-only"),
        ("31", "+4915550001", "opt-in, no phone"),
        ("4", "03.02.1990", "YYYY-MM-DD"),
        ("1", "x" * 61, "at most 60 characters, not 61"),
        ("1", ["a", "b"], "one value, not a list"),
        ("10231", "", "at least one choice"),
    ],
)
def test_a_value_that_the_field_cannot_take_is_refused_without_repeating_it(
    field_id: str, value: str | list[str], message: str
) -> None:
    field = find_field(FIELDS, field_id)
    with pytest.raises(errors.UnusableValueError, match=message) as caught:
        encode_value(field, value, COLOURS)
    if isinstance(value, str) and len(value) > 2:
        assert value not in str(caught.value)
