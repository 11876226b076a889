"""The client against the sandbox: another implementation of the same documentation."""

import csv
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from emarsys_pipeline.emarsys import (
    Choice,
    EmarsysClient,
    OAuth2Credentials,
    WsseCredentials,
    actions,
    errors,
)
from emarsys_pipeline.emarsys.export_flow import fetch_export
from emarsys_pipeline.emarsys.records import EventTrigger
from emarsys_pipeline.sandbox.process import Sandbox, running_sandbox
from emarsys_pipeline_tests.emarsys.conftest import FAST

SEGMENT, EMPTY_SEGMENT = "100400101", "100400103"
OPT_IN = "10500"


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with running_sandbox(contacts=600, seed=7) as started:
        started.switch(requests_per_minute=100_000)
        yield started


@pytest.fixture
def sandbox(running: Sandbox) -> Iterator[Sandbox]:
    yield running
    running.clear_faults()


def connect(sandbox: Sandbox, auth: str) -> EmarsysClient:
    credentials = (
        WsseCredentials(sandbox.username, sandbox.secret)
        if auth == "wsse"
        else OAuth2Credentials(
            sandbox.client_id, sandbox.client_secret, token_url=sandbox.token_url
        )
    )
    return EmarsysClient(credentials, base_url=sandbox.url, read_timeout_seconds=5, retries=FAST)


@pytest.fixture(params=["wsse", "oauth2"])
def account(sandbox: Sandbox, request: pytest.FixtureRequest) -> Iterator[EmarsysClient]:
    with connect(sandbox, request.param) as made:
        yield made


@pytest.fixture
def members(account: EmarsysClient) -> list[str]:
    return [member for page in account.segment_contact_ids(SEGMENT, 100) for member in page]


def test_the_catalogue_is_read(account: EmarsysClient) -> None:
    fields = {field.id: field for field in account.list_fields("en")}
    assert (fields["3"].string_id, fields["37"].string_id) == ("email", "mobile")
    assert {field.id for field in account.list_default_fields()} == set(fields)
    assert Choice("1", "Male") in account.list_choices(["5"], "en")["5"]
    assert account.list_single_choices("5") == account.list_choices(["5"])["5"]
    assert {SEGMENT, EMPTY_SEGMENT} <= {segment.id for segment in account.list_segments()}
    assert account.get_segment(SEGMENT).name == "Newsletter readers"
    assert account.list_combined_segments()
    assert account.get_settings()


def test_count_and_members_agree(account: EmarsysClient, members: list[str]) -> None:
    assert account.count_segment(SEGMENT) == len(members) == len(set(members)) > 300
    assert account.count_segment(EMPTY_SEGMENT) == 0


def test_an_export_holds_what_getdata_says(
    account: EmarsysClient, members: list[str], tmp_path: Path
) -> None:
    fields = ["3", "1", OPT_IN]
    export_id = account.start_segment_export(SEGMENT, fields)
    assert account.wait_for_export(export_id, poll_seconds=0.05).status == "done"
    done = account.download_export(export_id, tmp_path / "export.csv")
    assert done.rows == len(members)
    with done.path.open(newline="", encoding="utf-8") as file:
        exported = sorted(tuple(row[-3:]) for row in list(csv.reader(file))[1:])
    found = account.get_contacts(members, fields=fields)
    assert found.errors == {}
    assert exported == sorted(
        tuple(contact[field] or "" for field in fields) for contact in found.contacts
    )


def test_changes_are_exported_with_contact_ids(
    account: EmarsysClient, members: list[str], tmp_path: Path
) -> None:
    account.update_contacts([{"id": members[0], "1": "Changed"}])
    today = datetime.now(UTC).date()
    export_id = account.start_changes_export(
        ["1"], since=today - timedelta(days=1), until=today + timedelta(days=2)
    )
    account.wait_for_export(export_id, poll_seconds=0.05)
    done = account.download_export(export_id, tmp_path / "changes.csv")
    assert done.has_user_id
    with done.path.open(newline="", encoding="utf-8") as file:
        changed = {row[0]: row[1] for row in list(csv.reader(file))[1:]}
    assert changed[members[0]] == "Changed"


def test_an_update_arrives_and_a_missing_contact_is_named(
    sandbox: Sandbox, account: EmarsysClient, members: list[str]
) -> None:
    written = account.update_contacts(
        [{"id": members[0], OPT_IN: "granted"}, {"id": "999999999", OPT_IN: "granted"}]
    )
    assert written.updated == (members[0],)
    assert {key: error.code for key, error in written.errors.items()} == {"999999999": 2008}
    assert sandbox.field_values(OPT_IN)[members[0]] == "granted"


def test_one_contact_is_updated_by_its_id(
    sandbox: Sandbox, account: EmarsysClient, members: list[str]
) -> None:
    assert account.update_single_contact(members[2], {OPT_IN: "granted", "46": "2"}) == members[2]
    assert sandbox.field_values(OPT_IN)[members[2]] == "granted"
    assert sandbox.field_values("46")[members[2]] == "2"
    with pytest.raises(errors.RejectedRequestError) as caught:
        account.update_single_contact("999999999", {OPT_IN: "granted"})
    assert caught.value.reply_code == 2008


def test_single_choices_are_the_same_by_each_of_their_permissions(account: EmarsysClient) -> None:
    german = account.list_single_choices("46", "de")
    assert Choice("2", "Frau") in german
    assert account.list_single_choices_by_language("46", "de") == german
    assert account.list_choices(["46"], "de") == {"46": german}
    assert account.list_default_choices("46") == account.list_single_choices("46", "en")


def test_contacts_are_created_checked_and_queried(account: EmarsysClient) -> None:
    email = f"new-{account._transport.credentials.api_version}@example.org"
    (contact_id,) = account.create_contacts([{"3": email}]).updated
    again = account.create_contacts([{"3": email}])
    assert [error.code for error in again.errors.values()] == [2009]
    assert account.check_ids([email]).ids == {email: contact_id}
    (page,) = account.query_contacts(return_field="3", where={"3": email})
    assert [contact["id"] for contact in page] == [contact_id]


def test_a_run_ends_in_a_readable_contact_list(account: EmarsysClient, members: list[str]) -> None:
    run = account.start_segment_run(SEGMENT)
    done = account.wait_for_segment_run(run.run_id, poll_seconds=0.05)
    assert done.contact_list_id is not None
    listed = [item for page in account.contact_list_ids(done.contact_list_id, 50) for item in page]
    assert sorted(listed) == sorted(members)


def test_events_are_triggered(sandbox: Sandbox, account: EmarsysClient, members: list[str]) -> None:
    event = account.create_event(f"order {account._transport.credentials.api_version}")
    before = len(sandbox.event_triggers())
    account.trigger_event(event.id, members[0], key_field="id", data={"sum": "12.50"})
    triggers = [EventTrigger(member, {"n": 1}, member) for member in [*members[:3], "999999999"]]
    done = account.trigger_event_batch(event.id, triggers, key_field="id")
    assert [error.code for error in done.errors.values()] == [2008]
    assert len(sandbox.event_triggers()) == before + 4


def test_a_name_that_two_fields_share_is_not_guessed(account: EmarsysClient) -> None:
    with pytest.raises(
        errors.UnknownNameError, match=r"several fields are called 'First Name': 1,"
    ):
        actions.get_contact(account, key_field="id", key="1", fields=["First Name"])


def test_the_seven_actions(account: EmarsysClient, members: list[str]) -> None:
    key = members[1]
    values = {"City": "Graz", "gender": "Female", "optin": "true"}
    actions.update_contact(account, key_field="id", key=key, values=values)
    read = ["city", "5", "Opt-In"]
    assert actions.get_contact(account, key_field="id", key=key, fields=read).as_dict()[
        "values"
    ] == {
        "city": "Graz",
        "gender": "2",
        "optin": "1",
    }
    labelled = actions.get_contact_with_labels(account, key_field="id", key=key, fields=read)
    assert labelled.as_dict()["values"]["gender"] == "Female"
    assert len(actions.list_fields(account)) > 40
    assert Choice("2", "Female") in actions.list_single_choices(account, field="gender")
    multi = next(
        field for field in account.list_fields() if field.application_type == "multichoice"
    )
    assert actions.list_multi_choices(account, field=multi.id)
    event = account.create_event(f"action {account._transport.credentials.api_version}")
    assert actions.trigger_event(account, event=event.name, key_field="id", key=key) == event.id


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("failing_reply_code", errors.RejectedRequestError),
        ("forbidden", errors.PermissionMissingError),
        ("server_error", errors.ServerError),
        ("bad_gateway", errors.ServerError),
        ("overloaded", errors.ServerError),
        ("html_answer", errors.UnreadableReplyError),
        ("broken_json", errors.UnreadableReplyError),
        ("empty_answer", errors.UnreadableReplyError),
        ("reset_before_answer", errors.NoReplyError),
        ("reset_in_body", errors.NoReplyError),
        ("unauthorized", errors.AuthenticationError),
    ],
)
def test_a_lasting_fault_is_raised_and_a_passing_one_survived(
    sandbox: Sandbox, account: EmarsysClient, fault: str, kind: type[errors.EmarsysError]
) -> None:
    # Of this endpoint alone: a client may ask for a token at any moment, and could not get one.
    sandbox.set_fault(fault, endpoint="GET filter", times=None)
    with pytest.raises(kind) as caught:
        account.list_segments()
    sandbox.clear_faults()
    if caught.value.is_retryable:
        sandbox.set_fault(fault, endpoint="GET filter", times=1)
        assert account.list_segments()


def test_a_write_that_was_applied_and_lost_is_unknown_and_sent_once(
    sandbox: Sandbox, account: EmarsysClient, members: list[str]
) -> None:
    sandbox.set_fault("commit_then_drop", endpoint="PUT contact")
    value = f"lost {account._transport.credentials.api_version}"
    with pytest.raises(errors.NoReplyError) as caught:
        account.update_contacts([{"id": members[2], OPT_IN: value}])
    assert caught.value.is_outcome_unknown
    (contact,) = account.get_contacts([members[2]], fields=[OPT_IN]).contacts
    assert contact[OPT_IN] == value
    assert [entry["value"] for entry in sandbox.log(contact_id=members[2])].count(value) == 1


@pytest.mark.parametrize("fault", ["busy", "evaluating"])
def test_a_segment_in_evaluation_is_waited_for(
    sandbox: Sandbox, account: EmarsysClient, members: list[str], fault: str
) -> None:
    sandbox.set_fault(fault, times=3)
    assert account.count_segment(SEGMENT) == len(members)


@pytest.mark.parametrize(
    "fault", ["truncated_csv", "truncated_csv_in_quotes", "empty_csv", "reset_in_body"]
)
def test_a_damaged_file_is_downloaded_again(
    sandbox: Sandbox, account: EmarsysClient, members: list[str], tmp_path: Path, fault: str
) -> None:
    export_id = account.start_segment_export(SEGMENT, ["3", "1"], notification_marker=fault)
    account.wait_for_export(export_id, poll_seconds=0.05)
    sandbox.set_fault(fault, endpoint="GET export/{id}/data", times=1)
    assert account.download_export(export_id, tmp_path / "x.csv").rows == len(members)


@pytest.mark.parametrize(
    ("fault", "endpoint", "times"),
    [
        ("export_error", "GET export/{id}", 1),
        ("export_expired", "GET export/{id}/data", 1),
        ("export_file_missing", "GET export/{id}/data", 1),
        ("export_file_error", "GET export/{id}/data", 3),
        ("truncated_csv", "GET export/{id}/data", 3),
    ],
)
def test_a_lost_export_is_made_again(
    sandbox: Sandbox,
    account: EmarsysClient,
    members: list[str],
    tmp_path: Path,
    fault: str,
    endpoint: str,
    times: int,
) -> None:
    sandbox.set_fault(fault, endpoint=endpoint, times=times)
    done = fetch_export(
        account,
        lambda marker: account.start_segment_export(SEGMENT, ["3"], notification_marker=marker),
        tmp_path / "export.csv",
        poll_seconds=0.05,
        already_running_poll_seconds=0.05,
    )
    assert done.rows == len(members)


def test_nothing_is_sent_before_the_reset(sandbox: Sandbox, account: EmarsysClient) -> None:
    account.list_segments()
    sandbox.set_fault("rate_limited", wait_seconds=1, times=1)
    began = datetime.now(UTC)
    account.list_segments()
    assert datetime.now(UTC) - began >= timedelta(seconds=1)


def test_a_revoked_token_is_replaced(sandbox: Sandbox) -> None:
    with connect(sandbox, "oauth2") as account:
        account.list_segments()
        sandbox.revoke_tokens()
        assert account.list_segments()


def test_a_skewed_clock_is_explained(sandbox: Sandbox) -> None:
    sandbox.switch(clock_skew_seconds=900)
    try:
        with (
            connect(sandbox, "wsse") as account,
            pytest.raises(errors.AuthenticationError, match=r"15 minutes behind Emarsys's"),
        ):
            account.list_segments()
    finally:
        sandbox.switch(clock_skew_seconds=0)


def test_a_missing_permission_names_the_remedy(sandbox: Sandbox, account: EmarsysClient) -> None:
    sandbox.set_permissions(off=["combinedsegment.list"])
    try:
        with pytest.raises(errors.PermissionMissingError, match="API Credentials"):
            account.list_combined_segments()
    finally:
        sandbox.set_permissions(on=["combinedsegment.list"])


def test_missing_permissions_are_found_without_writing(
    sandbox: Sandbox, account: EmarsysClient
) -> None:
    states = {probe.permission.name: probe.state for probe in account.probe_permissions()}
    unprobed = {
        "contact.single",
        "contact.update",
        "contact.create",
        "externalevent.trigger",
    }
    assert {name for name, state in states.items() if state == "not probed"} == unprobed
    assert {state for name, state in states.items() if name not in unprobed} == {"granted"}
    off = ["contact.getdata", "export.segment", "export.download", "field.list"]
    written = len(sandbox.log())
    sandbox.set_permissions(off=off)
    try:
        found = account.probe_permissions()
    finally:
        sandbox.set_permissions(on=off)
    assert {probe.permission.name for probe in found if probe.state == "missing"} == set(off)
    assert len(sandbox.log()) == written


def test_a_whole_round_at_debug_level_logs_no_value(
    account: EmarsysClient, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    found = account.get_contacts(
        [member for page in account.segment_contact_ids(SEGMENT) for member in page],
        fields=["3", "37"],
    )
    # the sandbox's junk values ("0", "-") are in every text
    emails = {item["3"] for item in found.contacts if "@" in (item["3"] or "")}
    personal = emails | {item["37"] for item in found.contacts if len(item["37"] or "") > 6}
    for email in sorted(emails)[:20]:
        list(account.query_contacts(return_field="1", where={"3": email}))
        account.check_ids([email])
    emitted = [
        record.getMessage()
        for record in caplog.records
        if record.name.startswith(("emarsys_pipeline", "urllib3"))
    ]
    assert len(emitted) > 40
    secrets = {sandbox.secret, sandbox.client_secret, *personal}
    assert [text for text in emitted if any(value in text for value in secrets)] == []
