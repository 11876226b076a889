"""``identities``: deciding, looking and trying out, as somebody at a terminal does it."""

import shutil
from pathlib import Path

import pytest

from emarsys_pipeline.settings import StitchingSettings
from emarsys_pipeline.stages.stitched_identities import stitch_identities
from emarsys_pipeline_tests.builders import add_contact, add_platform_contact, window
from emarsys_pipeline_tests.cli.running import SETTINGS, WSSE, Run, make_run
from emarsys_pipeline_tests.warehouses import Warehouse

PHONE = "+491701234567"


def stitch(warehouse: Warehouse, number: int) -> None:
    stitch_identities(
        warehouse, window(number), stitching=StitchingSettings(), property_types={}, run_id="run"
    )
    warehouse.publish_pending(at_once=True)


@pytest.fixture(scope="module")
def stitched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A family of three on one phone, an office of eleven, and a contact of two people."""
    made = Warehouse(tmp_path_factory.mktemp("stitched"))
    made.migrate()
    with made.write() as connection:
        for contact_id in ("1", "2", "3"):
            add_contact(connection, contact_id, phones=[PHONE])
        for number in range(11):
            add_contact(connection, f"office{number}", phones=["+493012345678"])
        add_contact(connection, "x", phones=["+491709999999"], emails=["x@example.org"])
        add_platform_contact(connection, "p", phone="+491709999999")
        add_platform_contact(connection, "q", email="x@example.org")
    stitch(made, 0)
    return made.directory


@pytest.fixture
def warehouse(stitched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """A copy of it for each test, and its settings."""
    shutil.copytree(stitched, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "emarsys_pipeline.yaml"
    path.write_text(
        SETTINGS.format(home=tmp_path, url="http://127.0.0.1:1", auth="wsse", connection=WSSE)
    )
    monkeypatch.setenv("EMARSYS_PIPELINE_CONFIG", str(path))
    monkeypatch.setenv("COLUMNS", "200")
    return Warehouse(tmp_path)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    return make_run(capsys, monkeypatch)


SPLIT = ("split", "emarsys:shop_de:3", "--from", "emarsys:shop_de:1", "--reason", "a daughter")


def test_a_decision_can_be_tried_made_listed_obeyed_and_revoked(
    warehouse: Warehouse, run: Run
) -> None:
    tried = run("identities", *SPLIT, "--preview", "--json").json
    assert (tried["merges"], tried["splits"], tried["moved_records"]) == (0, 1, 1)
    assert (tried["before"]["largest"], tried["after"]["largest"]) == (3, 2)
    assert run("identities", "decisions", "--json").json == []
    (decision_id,) = run("identities", *SPLIT, "--author", "ana", "--json").json["decision_ids"]
    (listed,) = run("identities", "decisions", "--json").json
    assert listed.pop("decided_at").endswith("Z")
    assert listed == {
        "decision_id": decision_id,
        "author": "ana",
        "action": "split",
        "about": "emarsys:shop_de:3 from emarsys:shop_de:1",
        "reason": "a daughter",
        "is_in_force": True,
    }
    stitch(warehouse, 1)
    after = run("identities", "preview", "--json").json
    assert after["before"] == after["after"]
    assert after["before"]["largest"] == 2
    assert run("identities", "revoke", decision_id, "--reason", "a mistake").exit_code == 0
    stitch(warehouse, 1)
    assert run("identities", "preview", "--json").json["before"]["largest"] == 3
    assert [row["is_in_force"] for row in run("identities", "decisions", "--json").json] == [
        False,
        False,
    ]


def test_what_is_held_back_is_listed_and_confirmed_or_released(
    warehouse: Warehouse, run: Run
) -> None:
    conflict = "phone and e-mail lead to different messaging-side contacts"
    rows = run("identities", "quarantine", "--json").json
    assert [(row["value"], row["contact"], row["reason"]) for row in rows] == [
        ("+493012345678", None, "held by too many records"),
        ("x@example.org", "emarsys:shop_de:x", conflict),
        ("+491709999999", "emarsys:shop_de:x", conflict),
    ]
    assert run("identities", "confirm", "x@example.org", "--reason", "not his").exit_code == 0
    assert run("identities", "release", "030 12345678", "--reason", "one person").exit_code == 0
    stitch(warehouse, 1)
    (row,) = run("identities", "quarantine", "--json").json
    assert (row["value"], row["contact"], row["reason"]) == (
        "x@example.org",
        "emarsys:shop_de:x",
        "confirmed by a decision",
    )
    assert run("identities", "preview", "--json").json["before"]["by_size"] == {
        "1": 1,
        "2": 1,
        "3": 1,
        "11": 1,
    }


@pytest.mark.usefixtures("warehouse")
@pytest.mark.parametrize(
    ("options", "largest"),
    [
        (("--max-contacts-per-identifier", "11"), 11),
        (("--release", "+493012345678"), 11),
        (("--block", PHONE), 1),
        (("--max-contacts-per-identity", "2"), 1),
        (("--messaging-conflict", "merge", "--block", PHONE), 3),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_settings_can_be_tried(run: Run, options: tuple[str, ...], largest: int) -> None:
    found = run("identities", "preview", *options, "--json").json
    assert (found["before"]["largest"], found["after"]["largest"]) == (3, largest)


@pytest.mark.usefixtures("warehouse")
def test_people_read_a_table(run: Run) -> None:
    told = run("identities", *SPLIT, "--preview").output
    assert "merges: 0, splits: 1, contacts that would move: 1; nothing was written" in told
    assert "identities of 2 contacts" in told
    assert "Nobody has decided" in run("identities", "decisions").output
    assert "+493012345678" in run("identities", "quarantine").output
    recorded = run("identities", "block", PHONE, "--reason", "a shop")
    assert recorded.output.startswith("recorded: decision d")
    assert PHONE not in recorded.output


@pytest.mark.usefixtures("warehouse")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("block", "nonsense", "--reason", "r"), "neither a valid phone number"),
        (("join", "shop_de:1", "platform:p", "--reason", "r"), "names no contact"),
        (("join", "emarsys:shop_de:77", "platform:p", "--reason", "r"), "is not among"),
        (("confirm", "+491701111111", "--reason", "r"), "not in quarantine"),
        (("revoke", "d1", "--reason", "r"), "no decision d1 in force"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_mistakes_say_what_to_do_and_write_nothing(
    run: Run, arguments: tuple[str, ...], message: str
) -> None:
    ran = run("identities", *arguments)
    assert ran.exit_code == 1
    assert message in ran.errors
    assert "+49" not in ran.errors.replace("+4930123456 or", "")
    assert run("identities", "decisions", "--json").json == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("identities", *SPLIT),
        ("identities", *SPLIT, "--preview"),
        ("identities", "decisions"),
        ("identities", "confirm", PHONE, "--reason", "r"),
        ("explain", "1", "--to", "2"),
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_before_the_first_import_nothing_is_made_and_the_remedy_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run, arguments: tuple[str, ...]
) -> None:
    path = tmp_path / "emarsys_pipeline.yaml"
    home = tmp_path / "home"
    path.write_text(
        SETTINGS.format(home=home, url="http://127.0.0.1:1", auth="wsse", connection=WSSE)
    )
    monkeypatch.setenv("EMARSYS_PIPELINE_CONFIG", str(path))
    ran = run(*arguments)
    assert ran.exit_code == 1
    assert "nothing has been imported; start with emarsys-pipeline ui" in ran.errors
    assert not home.exists()


@pytest.mark.usefixtures("warehouse")
def test_explain_tells_the_path_or_what_is_held_back(run: Run) -> None:
    told = run("explain", "emarsys:shop_de:1", "--to", "emarsys:shop_de:3").output
    assert "are one person, identity " in told
    assert (
        "contact 1 (Emarsys account shop_de) and contact 3 (Emarsys account shop_de): both hold"
        f" phone {PHONE}\n"
    ) in told
    apart = run("explain", "x", "--to", "platform:q").output
    assert "are two persons, identities " in apart
    assert (
        "Contacts of both hold email x@example.org, which does not link them: phone and e-mail"
        " lead to different messaging-side contacts\n"
    ) in apart
    found = run("explain", "x", "--to", "platform:q", "--json").json
    assert (found["links"], len(found["held_back"])) == ([], 1)
