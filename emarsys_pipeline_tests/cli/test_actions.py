"""The seven actions and the list of segments, as commands against the sandbox."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from emarsys_pipeline.sandbox.process import Sandbox, running_sandbox
from emarsys_pipeline_tests.cli.running import Run, make_run, write_settings

EMAIL = "mina.muster@example.org"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox(contacts=120, seed=3) as running:
        yield running


@pytest.fixture
def run(
    sandbox: Sandbox,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    write_settings(tmp_path, sandbox, monkeypatch)
    monkeypatch.setenv("COLUMNS", "100")
    return make_run(capsys, monkeypatch)


@pytest.fixture
def mina(run: Run) -> str:
    """The contact id of a contact with known values."""
    values = ["first_name=Mina", "salutation=Ms.", "fav_colours=Red,id:7", "city="]
    chosen = [part for value in values for part in ("--set", value)]
    ran = run("contact", "update", EMAIL, *chosen, "--json")
    assert ran.json["field_ids"] == ["1", "46", "10231", "11"]
    return str(ran.json["contact_id"])


def lines(text: str) -> list[list[str]]:
    """The cells of a table, without its frame and heading."""
    return [
        [cell.strip() for cell in line.strip("│").split("│")]
        for line in text.splitlines()
        if line.startswith("│")
    ]


def test_a_contact_is_read_with_ids_of_choices(run: Run, mina: str) -> None:
    asked = ["--field", "1", "--field", "salutation", "--field", "Favourite colours"]
    ran = run("contact", "get", EMAIL, *asked, "--json")
    assert ran.json == {
        "contact_id": mina,
        "values": {"first_name": "Mina", "salutation": "2", "fav_colours": ["1", "7"]},
    }
    table = run("contact", "get", mina, "--key-field", "id", *asked)
    assert table.output.startswith(f"contact {mina}\n")
    assert lines(table.output) == [
        ["1", "first_name", "First Name", "Mina"],
        ["46", "salutation", "Salutation", "2"],
        ["10231", "fav_colours", "Favourite colours", "1, 7"],
    ]


def test_a_contact_is_read_with_labels_in_the_chosen_language(run: Run, mina: str) -> None:
    asked = ["--field", "salutation", "--field", "fav_colours"]
    german = run("contact", "get-labels", EMAIL, *asked, "--language", "de", "--json")
    assert german.json == {
        "contact_id": mina,
        "values": {"salutation": "Frau", "fav_colours": ["Rot", "Blau"]},
    }
    assert lines(run("contact", "get-labels", EMAIL, *asked).output) == [
        ["46", "salutation", "Salutation", "Ms."],
        ["10231", "fav_colours", "Favourite colours", "Red, Blue"],
    ]


def test_without_fields_the_table_leaves_empty_ones_out(run: Run, mina: str) -> None:
    told = [row[1] for row in lines(run("contact", "get", mina, "--key-field", "id").output)]
    assert {"first_name", "email"} <= set(told)
    assert "city" not in told
    everything = run("contact", "get", mina, "--key-field", "id", "--json").json["values"]
    assert everything["city"] is None


def test_no_create_refuses_a_contact_that_does_not_exist(run: Run, sandbox: Sandbox) -> None:
    before = sandbox.field_values("3")
    ran = run("contact", "update", "nobody@example.org", "--set", "city=Ulm", "--no-create")
    assert (ran.exit_code, ran.output) == (1, "")
    assert "code 2008" in ran.errors
    assert "nobody@example.org" not in ran.errors
    assert sandbox.field_values("3") == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["contact", "get", "1", "--field", "Frist Name"], "First Name (1)"),
        (["contact", "update", EMAIL, "--set", "salutation=Mss."], "the nearest: Ms. (2)"),
        (["choices", "multi", "salutation"], "of type singlechoice, not multi choice"),
        (["choices", "single", "fav_colours"], "of type multichoice, not single choice"),
        (["event", "trigger", "nothing", EMAIL], "no external event is called 'nothing'"),
        (["event", "trigger", "[/odd]", EMAIL], "no external event is called '[/odd]'"),
        (["fields", "list", "--account", "shop_at"], "there are: shop_de"),
    ],
    ids=["field", "choice", "single as multi", "multi as single", "event", "brackets", "account"],
)
def test_mistakes_are_answered_with_what_is_valid(
    run: Run, arguments: list[str], told: str
) -> None:
    ran = run(*arguments)
    assert (ran.exit_code, ran.output) == (1, "")
    assert told in ran.errors


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["contact", "update", EMAIL, "--set", "city"], "write FIELD=VALUE"),
        (["event", "trigger", "123", EMAIL, "--data", "{"], "is no JSON"),
        (["event", "trigger", "123", EMAIL, "--data", "[]"], "is no object"),
    ],
    ids=["assignment", "broken JSON", "no object"],
)
def test_wrong_usage_ends_with_exit_code_2(run: Run, arguments: list[str], told: str) -> None:
    ran = run(*arguments)
    assert (ran.exit_code, told in ran.errors) == (2, True)


def test_fields_are_listed_in_the_accounts_language_or_another(run: Run) -> None:
    german = {
        field["id"]: field for field in run("fields", "list", "--language", "de", "--json").json
    }
    assert german["46"] == {
        "id": "46",
        "string_id": "salutation",
        "name": "Anrede",
        "application_type": "singlechoice",
    }
    assert ["46", "salutation", "Salutation", "singlechoice"] in lines(run("fields", "list").output)


def test_choices_are_listed(run: Run) -> None:
    single = run("choices", "single", "Salutation", "--json").json
    assert single[:2] == [{"id": "1", "label": "Mr."}, {"id": "2", "label": "Ms."}]
    multi = run("choices", "multi", "fav_colours", "--language", "de")
    assert multi.output.startswith("5 choices of fav_colours\n")
    assert lines(multi.output)[0] == ["1", "Rot"]


def test_an_event_with_a_trigger_id_is_taken_once(run: Run, sandbox: Sandbox, mina: str) -> None:
    arguments = ["event", "trigger", "123", EMAIL, "--data", '{"order": "A-1"}']
    for _ in range(2):
        ran = run(*arguments, "--trigger-id", "order-A-1", "--json")
        assert ran.json == {"event_id": "123", "trigger_id": "order-A-1"}
    triggers = [each for each in sandbox.event_triggers() if str(each["contact_id"]) == mina]
    assert [(str(each["event_id"]), each["data"]) for each in triggers] == [
        ("123", '{"order": "A-1"}')
    ]


def test_segments_plain_and_combined_are_listed_with_their_members(
    run: Run, sandbox: Sandbox
) -> None:
    listed = {each["id"]: each for each in run("segments", "--json").json}
    assert listed["100400104"] == {
        "id": "100400104",
        "name": "One contact",
        "type": "standard",
        "count": 1,
    }
    assert listed["100400106"]["type"] == "combined"
    assert listed["100400106"]["count"] >= listed["100400101"]["count"] > 0
    before = len(sandbox.requests())
    table = run("segments", "--no-counts").output
    assert ["100400104", "One contact", "standard", ""] in lines(table)
    assert len(sandbox.requests()) == before + 2


def test_segments_that_may_not_be_counted_are_listed_with_the_reason(
    run: Run, sandbox: Sandbox
) -> None:
    sandbox.set_permissions(off=["segment.contact.count", "combinedsegment.list"])
    try:
        ran = run("segments")
    finally:
        sandbox.set_permissions(on=["segment.contact.count", "combinedsegment.list"])
    assert ran.exit_code == 0
    assert ["100400104", "One contact", "standard", ""] in lines(ran.output)
    assert "segment 100400104 was not counted" in ran.output
    assert "GET combinedsegments was refused with HTTP 403" in ran.output


def test_what_emarsys_holds_cannot_steer_the_terminal(run: Run) -> None:
    run("contact", "update", "odd@example.org", "--set", "city=[red]\x1b[2J")
    told = run("contact", "get", "odd@example.org", "--field", "city").output
    assert lines(told) == [["11", "city", "City", "[red]?[2J"]]


def test_an_account_with_oauth2_works_alike(
    run: Run, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_settings(tmp_path, sandbox, monkeypatch, auth="oauth2")
    assert run("choices", "multi", "fav_colours", "--json").json[0] == {"id": "1", "label": "Red"}
    assert sandbox.requests()[-1]["credential"] == sandbox.client_id
