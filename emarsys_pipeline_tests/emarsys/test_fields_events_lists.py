"""Fields, choices, external events, contact lists and settings."""

from datetime import UTC, datetime

import pytest

from emarsys_pipeline.emarsys import Choice, EmarsysClient, Field, errors
from emarsys_pipeline.emarsys.records import ContactError, ContactList, EventTrigger, ExternalEvent
from emarsys_pipeline_tests.emarsys.scripted_server import (
    Answer,
    ScriptedServer,
    envelope,
    ok,
    reset_connection,
)


def test_fields_have_text_ids_and_no_null(server: ScriptedServer, client: EmarsysClient) -> None:
    server.answer_with(
        ok(
            [
                {"id": 37, "name": "Mobil", "application_type": "shorttext", "string_id": "mobile"},
                {"id": "10", "name": None, "application_type": "multichoice", "string_id": ""},
            ]
        )
    )
    assert client.list_fields("de") == [
        Field("37", "Mobil", "mobile", "shorttext"),
        Field("10", "", "", "multichoice"),
    ]
    assert server.requests[0].path == "/api/v2/field/translate/de"


def test_choices_of_several_fields_come_in_one_call(
    server: ScriptedServer, client: EmarsysClient
) -> None:
    server.answer_with(ok({"5": [{"id": "2", "choice": "Female", "bit_position": None}]}))
    assert client.list_choices(["5", "46"], "en") == {"5": [Choice("2", "Female")], "46": []}
    assert server.requests[0].path == "/api/v2/field/choices?fields=5%2C46&language=en"


def test_choices_of_one_field(server: ScriptedServer, client: EmarsysClient) -> None:
    server.answer_with(ok([{"id": 1, "choice": "Herr"}]))
    assert client.list_single_choices("46", "de") == [Choice("1", "Herr")]
    assert server.requests[0].path == "/api/v2/field/46/choice/translate/de"


def test_an_unknown_language_is_refused(server: ScriptedServer, client: EmarsysClient) -> None:
    server.answer_with(envelope(1002, "Invalid language code", status=400))
    with pytest.raises(errors.RejectedRequestError, match="1002"):
        client.list_fields("xx")


def test_events_are_listed_and_created(server: ScriptedServer, client: EmarsysClient) -> None:
    server.answer_with(
        ok([{"id": "123", "name": "order_paid", "created": "2024-05-02 10:11:12"}]),
        ok({"id": 124, "name": "order_sent"}),
    )
    assert client.list_events() == [ExternalEvent("123", "order_paid", "2024-05-02 10:11:12")]
    assert client.create_event("order_sent") == ExternalEvent("124", "order_sent")


def test_one_event_is_triggered(server: ScriptedServer, client: EmarsysClient) -> None:
    server.answer_with(ok(""))
    client.trigger_event(
        "123",
        "mina@example.org",
        data={"global": {"sum": "12.50"}},
        trigger_id="ord-1",
        event_time=datetime(2026, 1, 15, 8, 30, tzinfo=UTC),
    )
    (asked,) = server.requests
    assert (asked.path, asked.json) == (
        "/api/v2/event/123/trigger",
        {
            "key_id": "3",
            "external_id": "mina@example.org",
            "data": {"global": {"sum": "12.50"}},
            "trigger_id": "ord-1",
            "event_time": "2026-01-15T08:30:00Z",
        },
    )


@pytest.mark.parametrize(("trigger_id", "sent"), [("ord-1", 4), (None, 1)], ids=["id", "no id"])
def test_only_a_trigger_with_an_id_is_repeated_without_an_answer(
    server: ScriptedServer, client: EmarsysClient, trigger_id: str | None, sent: int
) -> None:
    server.answer_with(Answer(sabotage=reset_connection))
    with pytest.raises(errors.NoReplyError) as caught:
        client.trigger_event("1", "k", trigger_id=trigger_id)
    assert (len(server.requests), caught.value.is_outcome_unknown) == (sent, trigger_id is None)


def test_a_batch_is_split_by_count_and_by_bytes(
    server: ScriptedServer, client: EmarsysClient
) -> None:
    server.answer_with(
        ok({"ids": ["1"], "errors": {"x@example.org": {"2008": "No: 3 - x@example.org"}}}),
        ok({"ids": [2], "errors": []}),
    )
    small = [EventTrigger(str(number), trigger_id=str(number)) for number in range(1001)]
    done = client.trigger_event_batch("123", small)
    assert [len(request.json["contacts"]) for request in server.requests] == [1000, 1]
    assert (done.ids, done.errors) == (
        ("1", "2"),
        {"x@example.org": ContactError(2008, "No: 3 - <value>")},
    )
    server.requests.clear()
    client.trigger_event_batch("123", [EventTrigger("k", {"text": "x" * 400_000})] * 5)
    assert [len(request.json["contacts"]) for request in server.requests] == [2, 2, 1]
    assert all(len(request.body) <= 1_000_000 for request in server.requests)


def test_a_contact_list_is_walked_by_its_skip_token(
    server: ScriptedServer, client: EmarsysClient
) -> None:
    server.answer_with(
        Answer(200, b'{"value":[1,2],"next":"/contactlist/77/contactIds?$skiptoken=9&$top=2"}'),
        Answer(200, b'{"value":[3],"next":null}'),
    )
    assert list(client.contact_list_ids("77", page_size=2)) == [["1", "2"], ["3"]]
    assert [request.path.split("?")[1] for request in server.requests] == [
        "%24top=2&%24skiptoken=0",
        "%24top=2&%24skiptoken=9",
    ]


def test_a_contact_list_page_that_follows_itself_is_an_error(
    server: ScriptedServer, client: EmarsysClient
) -> None:
    server.answer_with(Answer(200, b'{"value":[1],"next":"/x?$skiptoken=9"}'))
    with pytest.raises(errors.UnreadableReplyError, match="own successor"):
        list(client.contact_list_ids("77"))


def test_contact_lists_are_made_filled_and_listed(
    server: ScriptedServer, client: EmarsysClient
) -> None:
    server.answer_with(
        ok({"id": 77, "errors": []}),
        ok({"inserted_contacts": 1, "errors": {"x@example.org": {"2008": "No"}}}),
        ok([{"id": "77", "name": "L", "created": "2024-11-05 10:20:30", "type": 0}]),
        ok(1),
    )
    assert client.create_contact_list("L", ["a@example.org"]) == ("77", {})
    assert client.add_to_contact_list("77", ["x@example.org"]) == {
        "x@example.org": ContactError(2008, "No")
    }
    assert client.list_contact_lists() == [ContactList("77", "L", "2024-11-05 10:20:30")]
    assert client.count_contact_list("77") == 1
    assert [request.path for request in server.requests] == [
        "/api/v2/contactlist",
        "/api/v2/contactlist/77/add",
        "/api/v2/contactlist",
        "/api/v2/contactlist/77/count",
    ]


def test_settings_are_read(server: ScriptedServer, client: EmarsysClient) -> None:
    server.answer_with(ok({"id": 4711, "timezone": "Europe/Vienna"}))
    assert client.get_settings() == {"id": 4711, "timezone": "Europe/Vienna"}
