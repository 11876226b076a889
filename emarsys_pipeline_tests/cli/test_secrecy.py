"""No command brings a secret or a person's data into a log or a message, at any level.

Answers on standard output are what was asked for, and are not searched.
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emarsys_pipeline.emarsys import RetrySettings
from emarsys_pipeline.sandbox.process import Sandbox, running_sandbox
from emarsys_pipeline_tests.cli.running import Run, make_run, write_settings

EMAIL, PHONE, NAME = "mina.muster@example.org", "+4915550100200", "Muster-Mina"
MISSING = "nobody.knows@example.org"
VALUES = ["--set", f"first_name={NAME}", "--set", f"mobile={PHONE}", "--set", "salutation=Ms."]
COMMANDS = [
    ["contact", "update", EMAIL, *VALUES],
    ["contact", "update", PHONE, *VALUES, "--key-field", "mobile"],
    ["contact", "get", EMAIL],
    ["contact", "get-labels", PHONE, "--key-field", "mobile", "--json"],
    ["event", "trigger", "123", EMAIL, "--data", f'{{"name": "{NAME}"}}'],
    ["contact", "get", MISSING],
    ["contact", "get", NAME, "--key-field", "first_name"],
    ["contact", "update", MISSING, *VALUES, "--no-create"],
    ["contact", "update", EMAIL, "--set", f"salutation={NAME}"],
    ["event", "trigger", "123", MISSING],
    ["fields", "list"],
    ["choices", "single", "salutation"],
    ["choices", "multi", "fav_colours"],
    ["segments"],
    ["doctor"],
    ["opt-in", "grant", "--phone", PHONE],
]
AT_ONCE = RetrySettings(total_seconds=2, evaluation_seconds=2, wait_factor=0.001)
FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("failing_reply_code", {"reply_text": f"Invalid value {EMAIL}, {PHONE}"}),
    ("html_answer", {}),
    ("broken_json", {}),
    ("unauthorized", {}),
    ("forbidden", {}),
]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox(contacts=120, seed=3) as running:
        yield running


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> Run:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr("emarsys_pipeline.cli.accounts.AT_A_TERMINAL", AT_ONCE)
    monkeypatch.setattr("emarsys_pipeline.doctor.examine.QUICK", AT_ONCE)
    return make_run(capsys, monkeypatch)


def personal_data(sandbox: Sandbox) -> set[str]:
    """Everything about a person that may turn up: of the account, and of these commands."""
    held = {
        value
        for field in ("3", "15", "37")
        for value in sandbox.field_values(field).values()
        if value and len(value.strip()) > 6
    }
    return held | {EMAIL, PHONE, PHONE[1:], NAME, MISSING, "nobody.knows", "mina.muster"}


def found_in(text: str, sandbox: Sandbox) -> list[str]:
    """What must not be there."""
    secrets = {
        *(sandbox.secret, sandbox.client_secret, "PasswordDigest", "Bearer ", "access_token")
    }
    return sorted(word for word in personal_data(sandbox) | secrets if word in text)


@pytest.mark.parametrize("auth", ["wsse", "oauth2"])
def test_no_command_tells_a_secret_or_a_person(
    run: Run,
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    auth: str,
) -> None:
    write_settings(tmp_path, sandbox, monkeypatch, auth=auth)
    said = [run(*command).errors for command in COMMANDS]
    for name, details in FAULTS:
        sandbox.set_fault(name, times=None, **details)
        try:
            said += [run(*command).errors for command in COMMANDS[:5]]
            said.append(run("doctor").errors)
        finally:
            sandbox.clear_faults()
    assert sum("error:" in text for text in said) > 20
    assert "contact/getdata" in caplog.text
    assert found_in(caplog.text, sandbox) == []
    assert found_in("\n".join(said), sandbox) == []
