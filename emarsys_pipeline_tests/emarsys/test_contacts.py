"""Contacts: batches, shapes and per-contact errors."""

import pytest

from emarsys_pipeline.emarsys import ContactError, EmarsysClient, errors, write_batches
from emarsys_pipeline.emarsys.contacts import MAX_WRITE_BYTES
from emarsys_pipeline_tests.emarsys.scripted_server import Answer, ScriptedServer, envelope, ok

FOUND = {"id": 700100, "uid": "aB3", "1": "Mina", "37": "", "5": "2", "10231": [1, 4], "31": None}


@pytest.mark.parametrize(
    "reported",
    [
        [{"key": "x@example.org", "errorCode": 2008, "errorMsg": "No: 3 - x@example.org"}],
        [{"key": "x@example.org", "errorCode": "2008", "errorMsg": "No: 3 - x@example.org"}],
        {"x@example.org": {"2008": "No: 3 - x@example.org"}},
    ],
    ids=["number", "text", "map"],
)
def test_contacts_come_in_one_shape_with_the_missing_named(
    server: ScriptedServer, client: EmarsysClient, reported: object
) -> None:
    server.answer_with(ok({"errors": reported, "result": [FOUND]}))
    keys = ["mina@example.org", "x@example.org"]
    found = client.get_contacts(keys, key_field="3", fields=["1", "37"])
    assert server.requests[0].json == {"keyId": "3", "keyValues": keys, "fields": [1, 37, 3]}
    assert found.contacts == [
        {
            "id": "700100",
            "uid": "aB3",
            "1": "Mina",
            "37": None,
            "5": "2",
            "10231": ["1", "4"],
            "31": None,
        }
    ]
    assert found.errors == {"x@example.org": ContactError(2008, "No: 3 - <value>")}


@pytest.mark.parametrize("data", [{"errors": [], "result": False}, {"errors": []}, "", []])
def test_nothing_found_is_an_empty_result(
    server: ScriptedServer, client: EmarsysClient, data: object
) -> None:
    server.answer_with(ok(data))
    found = client.get_contacts(["1"], fields=["1"])
    assert (found.contacts, found.errors) == ([], {})


def test_keys_are_asked_for_a_thousand_at_a_time_without_repetition(
    server: ScriptedServer, client: EmarsysClient
) -> None:
    server.answer_with(ok({"errors": [], "result": []}))
    client.get_contacts([str(number % 1500) for number in range(3000)], fields=["1"])
    assert [len(request.json["keyValues"]) for request in server.requests] == [1000, 500]


def test_an_update_is_one_request_with_its_outcome_per_contact(
    server: ScriptedServer, client: EmarsysClient
) -> None:
    server.answer_with(
        ok(
            {
                "ids": ["700100", 700205],
                "errors": {
                    "x@example.org": {"2008": "No contact found: 3 - x@example.org"},
                    "y@example.org": {"2009": "exists already"},
                    "<NO_KEY_ID>": {"2004": "Invalid key field id: 100"},
                },
            }
        )
    )
    contacts: list[dict[str, str | None]] = [
        {"3": "mina@example.org", "10500": "granted"},
        {"3": "x@example.org", "1": None},
    ]
    written = client.update_contacts(contacts, key_field="3", create_missing=True)
    (asked,) = server.requests
    assert (asked.method, asked.path) == ("PUT", "/api/v2/contact/?create_if_not_exists=1")
    assert asked.json == {"key_id": "3", "contacts": contacts}
    assert (written.updated, written.http_status, written.reply_code) == (
        ("700100", "700205"),
        200,
        0,
    )
    assert written.errors == {
        "x@example.org": ContactError(2008, "No contact found: 3 - <value>"),
        "y@example.org": ContactError(2009, "exists already", is_retryable=True),
        "<NO_KEY_ID>": ContactError(2004, "Invalid key field id: 100"),
    }


@pytest.mark.parametrize("reported", [[], {}, None], ids=["list", "map", "null"])
def test_a_clean_update_has_no_errors(
    server: ScriptedServer, client: EmarsysClient, reported: object
) -> None:
    server.answer_with(ok({"ids": ["1"], "errors": reported}))
    written = client.update_contacts([{"id": "1", "1": "A"}])
    assert (written.updated, written.errors) == (("1",), {})
    assert server.requests[0].path == "/api/v2/contact/"


@pytest.mark.parametrize(
    ("contacts", "message"),
    [
        ([], "0 contacts"),
        ([{"id": "1"}] * 1001, "1001 contacts"),
        ([{"id": str(n), "9999": "x" * 9000} for n in range(1000)], "bytes"),
    ],
    ids=["none", "too many", "too large"],
)
def test_an_update_beyond_the_limits_is_not_sent(
    server: ScriptedServer, client: EmarsysClient, contacts: list[dict[str, str]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        client.update_contacts(contacts)
    assert server.requests == []


def test_contacts_are_cut_by_count_and_by_bytes(
    server: ScriptedServer, client: EmarsysClient
) -> None:
    small = [{"id": str(n), "10500": "granted"} for n in range(2001)]
    assert [len(batch) for batch in write_batches(small)] == [1000, 1000, 1]
    large = [{"id": str(n), "9999": "ü" * 9000} for n in range(1000)]
    batches = list(write_batches(large))
    assert [contact for batch in batches for contact in batch] == large
    for batch in batches:
        server.answer_with(ok({"ids": [contact["id"] for contact in batch]}))
        assert len(client.update_contacts(batch).updated) == len(batch)
    sent = [len(request.body) for request in server.requests]
    assert max(sent) <= MAX_WRITE_BYTES
    # No batch could have taken the next contact as well.
    assert all(size + 9000 * 2 > MAX_WRITE_BYTES * 0.99 for size in sent[:-1])
    assert list(write_batches([])) == []


def test_a_refused_update_is_an_error(server: ScriptedServer, client: EmarsysClient) -> None:
    server.answer_with(envelope(1000, "The request exceeded the maximum batch size", status=400))
    with pytest.raises(errors.RejectedRequestError) as caught:
        client.update_contacts([{"id": "1"}])
    assert (caught.value.reply_code, caught.value.is_outcome_unknown) == (1000, False)


def test_an_update_after_503_is_sent_again(server: ScriptedServer, client: EmarsysClient) -> None:
    server.answer_with(Answer(503), ok({"ids": ["1"]}))
    assert client.update_contacts([{"id": "1", "1": "A"}]).updated == ("1",)


def test_contacts_are_created(server: ScriptedServer, client: EmarsysClient) -> None:
    server.answer_with(ok({"ids": [700301], "errors": {"b@example.org": {"2009": "exists"}}}))
    created = client.create_contacts([{"3": "a@example.org"}, {"3": "b@example.org"}])
    assert (server.requests[0].method, created.updated, list(created.errors)) == (
        "POST",
        ("700301",),
        ["b@example.org"],
    )


def test_ids_are_checked(server: ScriptedServer, client: EmarsysClient) -> None:
    server.answer_with(ok({"ids": {"a@example.org": 700100}, "errors": {"c": {"2008": "No"}}}))
    checked = client.check_ids(["a@example.org", "c"])
    assert server.requests[0].json == {"key_id": "3", "external_ids": ["a@example.org", "c"]}
    assert (checked.ids, checked.errors) == (
        {"a@example.org": "700100"},
        {"c": ContactError(2008, "No")},
    )


def test_a_query_walks_its_pages(server: ScriptedServer, client: EmarsysClient) -> None:
    server.answer_with(
        ok({"errors": [], "result": [{"id": "1", "3": "a"}, {"id": 2, "3": ""}]}),
        ok({"errors": [], "result": []}),
    )
    pages = list(client.query_contacts(return_field="3", where={"1": "Mina & Co"}, page_size=2))
    assert pages == [[{"id": "1", "3": "a"}, {"id": "2", "3": None}]]
    assert server.requests[0].path == (
        "/api/v2/contact/query/?1=Mina+%26+Co&return=3&limit=2&offset=0"
    )


def test_personal_data_is_not_in_repr(server: ScriptedServer, client: EmarsysClient) -> None:
    server.answer_with(ok({"errors": {"mina@example.org": {"1": "x"}}, "result": [FOUND]}))
    assert "ina" not in repr(client.get_contacts(["mina@example.org"], key_field="3", fields=["1"]))
