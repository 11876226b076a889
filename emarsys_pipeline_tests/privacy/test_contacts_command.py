"""The commands around a person, on the filled home; and Dagster's own storage after an erasure."""

import io
import json
import sys
from pathlib import Path

import dagster as dg
import pytest

from emarsys_pipeline.defs.home import prepare_home
from emarsys_pipeline.defs.jobs import OPT_IN_PUSH
from emarsys_pipeline.privacy.erase import Home, erase, look_up
from emarsys_pipeline_tests.cli.running import Run, make_run
from emarsys_pipeline_tests.privacy.people import LENA_MAIL, LENA_PHONE, OTTO_MAIL

SETTINGS = """
home: {home}
windows: {{start: 2026-03-01T00:00:00Z}}
accounts:
  - name: shop
    connection: {{auth: wsse, username: "${{USER_NAME}}", secret: "${{SECRET}}"}}
    default_region: DE
    segments: [100]
    fields:
      - {{emarsys: email, as: email, identifier: email}}
      - {{emarsys: 37, as: mobile, identifier: phone}}
      - {{emarsys: 1, as: first_name}}
      - {{emarsys: 4, as: birth_date}}
    opt_in: {{field: "902"}}
properties: {{birth_date: date}}
"""


@pytest.fixture
def run(
    home: Home,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    path = tmp_path / "settings.yaml"
    path.write_text(SETTINGS.format(home=home.settings.home))
    monkeypatch.setenv("EMARSYS_PIPELINE_CONFIG", str(path))
    monkeypatch.setenv("COLUMNS", "150")
    return make_run(capsys, monkeypatch)


def test_a_person_is_searched_exported_erased_and_readmitted(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = run("contacts", "search", LENA_MAIL, "--id", "700001", "--json")
    assert (found.exit_code, {"file", "place", "rows"}) == (1, set(found.json[0]))

    exported = run("contacts", "export", LENA_PHONE, "--output", str(tmp_path / "lena.json"))
    document = json.loads((tmp_path / "lena.json").read_text())
    assert exported.exit_code == 0
    assert len(document["tables"]["current_contacts"]) == 2
    assert (tmp_path / "lena.json").stat().st_mode & 0o777 == 0o600

    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    refused = run("contacts", "erase", LENA_PHONE)
    assert refused.exit_code == 1
    assert "Erase for good?" in refused.output
    assert run("contacts", "search", LENA_MAIL).exit_code == 1

    erased = run("contacts", "erase", LENA_PHONE, "--yes")
    assert (erased.exit_code, erased.errors) == (0, "")
    assert "raw_segment_exports" in erased.output
    assert "nothing found" in erased.output
    assert LENA_MAIL not in erased.output

    nothing = run("contacts", "search", LENA_MAIL, "15100000001", "--id", "700001")
    assert (nothing.exit_code, nothing.output) == (0, "nothing found\n")
    unknown = run("contacts", "erase", LENA_PHONE, "--yes")
    assert (unknown.exit_code, "nobody goes by this name" in unknown.errors) == (1, True)
    assert run("contacts", "resume").output == "no erasure was cut off\n"
    assert run("contacts", "readmit", LENA_PHONE).output == "1 tombstones removed\n"
    assert run("contacts", "readmit", OTTO_MAIL).exit_code == 1


def test_runs_of_dagster_that_named_the_person_stay_readable(home: Home) -> None:
    """Somebody asked for a contact in the Launchpad: its address is in the configuration."""
    folder = prepare_home(home.settings.dagster_home)
    config = {"ops": {"get_contact": {"config": {"email": LENA_MAIL, "contact_id": "700001"}}}}
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        run = dg.DagsterRun(job_name=OPT_IN_PUSH.name, run_config=config)
        instance.add_run(run)
        instance.report_engine_event(f"looked up {LENA_MAIL.upper()}", run)

    done = erase(home, look_up(home, LENA_MAIL))

    assert done.removed["file: runs.db"] >= 1
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        (kept,) = instance.get_runs()
        logged = [record.message for record in instance.all_logs(run.run_id)]
    assert kept.run_config == {
        "ops": {"get_contact": {"config": {"email": "erased", "contact_id": "erased"}}}
    }
    assert logged == ["looked up erased"]
