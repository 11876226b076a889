"""``emarsys-pipeline doctor`` against the sandbox, and against what is no Emarsys."""

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from emarsys_pipeline.doctor import examine_account
from emarsys_pipeline.emarsys import RetrySettings
from emarsys_pipeline.sandbox.process import Sandbox, running_sandbox
from emarsys_pipeline.settings import load_settings
from emarsys_pipeline_tests.cli.running import Ran, Run, make_run, write_settings
from emarsys_pipeline_tests.requirements import POSTGRESQL, needs

# As the documentation of a widely used connector lists them for its API user.
PERMISSIONS_OF_A_CONNECTOR = {
    *("contact.getdata", "contact.single", "contact.update", "export.contact.changed"),
    *("export.contactlist", "export.download", "export.segment", "export.status"),
    *("field.get", "field.list", "field.multichoice.get", "field.singlechoice.list"),
    *("field.singlechoice.lang.list", "field.singlechoice.trans.list", "segment.get"),
    *("segment.list", "segment.contact.list", "combinedsegment.list"),
}
Prepare = Callable[..., None]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox(contacts=120, seed=3) as running:
        yield running


@pytest.fixture
def prepare(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepare:
    def write(**changes: Any) -> None:
        write_settings(tmp_path, sandbox, monkeypatch, **changes)

    monkeypatch.setenv("COLUMNS", "160")
    return write


@pytest.fixture
def run(
    prepare: Prepare, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Run:
    prepare()
    return make_run(capsys, monkeypatch)


def problems(ran: Ran) -> list[tuple[str, str, str]]:
    """What is wrong, apart from the end of WSSE."""
    (account,) = ran.json
    return [
        (each["severity"], each["about"], each["message"])
        for each in account["problems"]
        if each["about"] != "end of WSSE"
    ]


def test_a_ready_account_is_told_so_and_nothing_is_written(run: Run, sandbox: Sandbox) -> None:
    before, values = len(sandbox.requests()), sandbox.log()
    ran = run("doctor", "--json")
    (account,) = ran.json
    assert (ran.exit_code, problems(ran)) == (0, [])
    assert account["segments"] == [
        {
            "segment_id": segment_id,
            "name": name,
            "contacts": contacts,
            "limit": 500_000,
            "is_over_limit": False,
        }
        for segment_id, name, contacts in [
            ("100400101", "Newsletter readers", 77),
            ("100400102", "VIP customers", 60),
        ]
    ]
    states = {each["name"]: each["state"] for each in account["permissions"]}
    assert set(states) > PERMISSIONS_OF_A_CONNECTOR
    assert {name for name, state in states.items() if state != "granted"} == {
        *("contact.single", "contact.update", "contact.create", "externalevent.trigger")
    }
    assert account["is_signed_in"]
    assert abs(account["clock_skew_seconds"]) <= 2  # Date is cut to the second
    assert account["rate_remaining"] < account["rate_limit"]
    assert sandbox.log() == values
    sent = sandbox.requests()[before:]
    assert {each["method"] for each in sent} == {"GET", "POST"}
    assert {each["http_status"] for each in sent if each["path"].strip("/") == "export/filter"} == {
        400
    }


def test_the_days_left_of_wsse_are_told_until_and_after_its_end(
    prepare: Prepare, tmp_path: Path
) -> None:
    prepare()
    settings = load_settings(tmp_path / "emarsys_pipeline.yaml")
    told = []
    for today in (date(2026, 12, 1), date(2026, 12, 31), date(2027, 1, 1)):
        report = examine_account(
            settings.accounts[0],
            rate_limit=settings.rate_limit_path,
            max_contacts_per_segment=500_000,
            property_types=settings.property_types,
            today=today,
        )
        (problem,) = report.problems
        told.append((report.wsse_days_left, problem.severity, report.is_ready))
    assert told == [(30, "warning", True), (0, "warning", True), (-1, "error", False)]


def test_an_account_with_oauth2_has_nothing_to_put_right(run: Run, prepare: Prepare) -> None:
    prepare(auth="oauth2")
    (account,) = run("doctor", "--json").json
    assert (account["auth"], account["wsse_days_left"], account["problems"]) == ("oauth2", None, [])


def test_missing_permissions_are_named_with_what_is_lost(run: Run, sandbox: Sandbox) -> None:
    missing = ["export.segment", "export.contact.changed", "segment.contact.count"]
    sandbox.set_permissions(off=missing)
    try:
        ran, table = run("doctor", "--json"), run("doctor")
    finally:
        sandbox.set_permissions(on=missing)
    assert (ran.exit_code, table.exit_code) == (1, 1)
    assert problems(ran) == [
        ("error", "permission", "export.segment is missing, and with it: the import of segments"),
        (
            "warning",
            "permission",
            "export.contact.changed is missing, and with it: "
            "imports of changes: every import is a full one",
        ),
        (
            "warning",
            "permission",
            "segment.contact.count is missing, and with it: "
            "the check of an export's size against its segment",
        ),
    ]
    assert "shop_de: not ready (errors: 1, warnings: 3)" in table.output
    told = " ".join(table.output.replace("│", " ").split())
    # Where a cell wraps depends on the terminal, so only words that never break are looked for.
    assert "error permission export.segment" in told


def test_refused_credentials_end_the_examination(
    run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_SECRET", "wrong-and-secret")
    before = len(sandbox.requests())
    ran = run("doctor", "--json")
    ((severity, about, message),) = problems(ran)
    assert (ran.exit_code, severity, about) == (1, "error", "sign-in")
    assert "HTTP 401" in message
    assert "wrong-and-secret" not in ran.output + ran.errors
    assert len(sandbox.requests()) == before + 1
    monkeypatch.delenv("TEST_SECRET")
    ((_, _, message),) = problems(run("doctor", "--json"))
    assert "the environment variable TEST_SECRET is not set" in message


def test_a_server_that_does_not_answer_is_told(prepare: Prepare, tmp_path: Path) -> None:
    prepare()
    settings = load_settings(tmp_path / "emarsys_pipeline.yaml")
    report = examine_account(
        settings.accounts[0].model_copy(update={"base_url": "http://127.0.0.1:9"}),
        rate_limit=settings.rate_limit_path,
        max_contacts_per_segment=500_000,
        property_types={},
        today=date(2026, 12, 1),
        retries=RetrySettings(total_seconds=1, wait_factor=0.01),
    )
    assert (report.is_signed_in, report.is_ready) == (False, False)
    assert "GET settings could not be sent" in report.problems[0].message


@pytest.mark.parametrize(
    ("skew", "severity", "about", "told"),
    [
        (-120, "warning", "clock", "ahead of Emarsys's; WSSE is refused beyond 300 s"),
        (400, "error", "sign-in", "HTTP 401"),
    ],
    ids=["noticed", "refused"],
)
def test_a_wrong_clock_is_told_in_words(
    run: Run, sandbox: Sandbox, skew: int, severity: str, about: str, told: str
) -> None:
    sandbox.switch(clock_skew_seconds=skew)
    try:
        ran = run("doctor", "--json")
    finally:
        sandbox.switch(clock_skew_seconds=0)
    ((found, where, message),) = problems(ran)
    assert (found, where, told in message) == (severity, about, True)
    if about == "sign-in":
        assert "7 minutes behind Emarsys's" in ran.output


def test_little_headroom_under_the_rate_limit_is_told(
    run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.add_credentials(username="unused001", secret="unused-secret")
    monkeypatch.setenv("TEST_USERNAME", "unused001")
    monkeypatch.setenv("TEST_SECRET", "unused-secret")
    sandbox.switch(enforce_rate_limit=True, requests_per_minute=32)
    try:
        ran = run("doctor", "--json")
    finally:
        sandbox.switch(enforce_rate_limit=False, requests_per_minute=1000)
    assert [(severity, about) for severity, about, _ in problems(ran)] == [
        ("warning", "rate limit")
    ]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            ("100400101,", "100400109,"),
            ("segment", "segment 100400109 (More than half a million) has 500,001 contacts, and "),
        ),
        (("100400101,", "999,"), ("segment", "GET filter/999/contacts/count was refused")),
        (
            ('"VIP customers"', '"VIP customer"'),
            ("segment", 'account shop_de has no segment named "VIP customer"'),
        ),
        (
            ("emarsys: 1, as: first_name", "emarsys: 31, as: phone_number"),
            (
                "mapping",
                "phone_number: field 31 (Opt-In) is the e-mail opt-in, not a phone number",
            ),
        ),
        (
            ("emarsys: 1,", "emarsys: frist_name,"),
            ("mapping", "no field is called 'frist_name'; the nearest: "),
        ),
        (
            ('"WhatsApp opt-in"', "salutation, granted: Ms., withdrawn: Mr"),
            (
                "mapping",
                "opt-in: field 46 (Salutation), 'Mr': the value given is no choice of Salutation",
            ),
        ),
        (
            ("opt_in:", "opt_in: {field: 10260}\nproperties: {salutation: date}\n#"),
            ("mapping", "opt-in: field 10260 (Last purchase) is of type date, not a text field"),
        ),
    ],
    ids=[
        *("segment over the limit", "unknown segment", "segment name", "31 as phone"),
        *("unknown field", "opt-in choice", "opt-in type"),
    ],
)
def test_mistakes_in_the_settings_are_found(
    run: Run, prepare: Prepare, change: tuple[str, str], told: tuple[str, str]
) -> None:
    prepare(change=change)
    ran = run("doctor", "--json")
    assert ran.exit_code == 1
    found = [(about, message) for severity, about, message in problems(ran) if severity == "error"]
    assert any(about == told[0] and message.startswith(told[1]) for about, message in found), found


def test_one_account_may_be_chosen(run: Run) -> None:
    assert run("doctor", "--account", "shop_de", "--json").exit_code == 0
    ran = run("doctor", "--account", "shop_at")
    assert (ran.exit_code, "there is no account shop_at" in ran.errors) == (1, True)


@needs(POSTGRESQL)
@pytest.mark.parametrize(
    ("catalog", "remedy"),
    [
        ("{database}", "there is no lake yet: run emarsys-pipeline migrate once"),
        ("host={folder} dbname=lake", "see that PostgreSQL runs"),
    ],
)
def test_a_lake_that_cannot_be_used_is_told_before_accounts_are_asked(
    catalog: str,
    remedy: str,
    lake_settings: Path,
    postgresql_database: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address = catalog.format(database=postgresql_database, folder=lake_settings.parent)
    monkeypatch.setenv("TEST_CATALOG", address)
    ran = make_run(capsys, monkeypatch)("doctor", "--config", str(lake_settings), "--json")
    assert (ran.exit_code, ran.output) == (1, "")
    assert remedy in " ".join(ran.errors.split())
