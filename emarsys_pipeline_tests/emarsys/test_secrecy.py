"""Nothing secret or personal reaches a log or an exception, at any level."""

import logging
import traceback
from collections.abc import Callable

import pytest

from emarsys_pipeline.emarsys import EmarsysClient, OAuth2Credentials, WsseCredentials, errors
from emarsys_pipeline.emarsys.masking import mask_personal_data
from emarsys_pipeline_tests.emarsys.conftest import FAST
from emarsys_pipeline_tests.emarsys.scripted_server import (
    Answer,
    ScriptedServer,
    envelope,
    ok,
    reset_connection,
    scripted_server,
)

EMAIL, PHONE, NAME = "mina.muster@example.org", "+4915550100200", "Muster-Mina"
SECRETS = [EMAIL, "mina.muster", PHONE, PHONE[1:], NAME, "demo-secret", "token-value"]


def use_everything(client: EmarsysClient) -> None:
    """Calls whose requests and replies hold personal data; failures are printed into the log."""
    calls: list[Callable[[], object]] = [
        lambda: client.get_contacts([EMAIL], key_field="3", fields=["1", "37"]),
        lambda: client.update_contacts([{"3": EMAIL, "1": NAME, "37": PHONE}], key_field="3"),
        lambda: client.check_ids([EMAIL, PHONE]),
        lambda: len(list(client.query_contacts(return_field="3", where={"37": PHONE}))),
        lambda: len(list(client.query_contacts(return_field="1", where={"3": EMAIL}))),
        lambda: client.trigger_event("1", EMAIL, data={"name": NAME}),
    ]
    for call in calls:
        try:
            result = call()
        except errors.EmarsysError:
            logging.getLogger("test").info("failed: %s", traceback.format_exc())
        else:
            logging.getLogger("test").info("result: %r", result)


REFUSAL = f"No contact found with the external id: 1 - {NAME}"
ANSWERS = {
    "refused": envelope(2008, REFUSAL, status=400),
    "refused for an e-mail": envelope(10001, f"Invalid value {EMAIL} and {PHONE}", status=400),
    "refused per contact": ok({"ids": [], "errors": {EMAIL: {"2008": f"No: 3 - {EMAIL}"}}}),
    "answered": ok({"result": [{"id": "1", "3": EMAIL, "37": PHONE, "1": NAME}], "errors": []}),
    "HTML": Answer(200, f"<html>{EMAIL}".encode()),
    "reset": Answer(sabotage=reset_connection),
    "unauthorised": envelope(1, "Credentials are invalid", status=401),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("auth", ["wsse", "oauth2"])
def test_logs_and_exceptions_hold_no_secret_and_no_personal_data(
    server: ScriptedServer,
    caplog: pytest.LogCaptureFixture,
    answer: Answer,
    auth: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    server.answer_with(answer)
    with scripted_server() as token_server:
        token_server.answer_with(Answer(200, b'{"access_token":"token-value","expires_in":60}'))
        credentials = (
            WsseCredentials("shop001", "demo-secret")
            if auth == "wsse"
            else OAuth2Credentials("shop001", "demo-secret", token_url=token_server.url)
        )
        with EmarsysClient(credentials, base_url=server.url, retries=FAST) as client:
            use_everything(client)
    text = caplog.text
    assert "contact/query/" in text
    assert [secret for secret in SECRETS if secret in text] == []
    assert "X-WSSE" not in text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Invalid value a.b+c@example.org here", "Invalid value <email> here"),
        ("call +49 1555 0100200 now", "call <number> now"),
        ("4915550100200", "<number>"),
        ("Invalid contact field id: 10231, 99", "Invalid contact field id: 10231, 99"),
        ("segment 100400101 unknown", "segment 100400101 unknown"),
        (
            "More contacts found with the external id: 1 - Mina Muster",
            "More contacts found with the external id: 1 - <value>",
        ),
    ],
)
def test_texts_keep_what_is_not_personal(text: str, masked: str) -> None:
    assert mask_personal_data(text) == masked
