"""Whether docs/identities.md is true: its commands run, its settings are the real ones."""

import re
import shlex
from pathlib import Path

import pytest

from emarsys_pipeline.settings import StitchingSettings
from emarsys_pipeline.stages.stitched_identities import stitch_identities
from emarsys_pipeline.warehouse import Warehouse
from emarsys_pipeline_tests.builders import add_contact, window
from emarsys_pipeline_tests.cli.running import SETTINGS, WSSE, make_run

PAGE = (Path(__file__).parents[2] / "docs" / "identities.md").read_text()


@pytest.fixture
def deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The two contacts of the page, one person until somebody splits them."""
    path = tmp_path / "emarsys_pipeline.yaml"
    path.write_text(
        SETTINGS.format(home=tmp_path, url="http://127.0.0.1:1", auth="wsse", connection=WSSE)
    )
    monkeypatch.setenv("EMARSYS_PIPELINE_CONFIG", str(path))
    warehouse = Warehouse(tmp_path)
    warehouse.migrate()
    with warehouse.write() as connection:
        for contact_id in ("700001", "700002"):
            add_contact(connection, contact_id, emails=["both@example.org"])
    stitch_identities(
        warehouse, window(0), stitching=StitchingSettings(), property_types={}, run_id="run"
    )
    warehouse.publish_pending(at_once=True)


@pytest.mark.usefixtures("deployment")
def test_every_command_of_the_page_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(capsys, monkeypatch)
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    commands = [line for block in blocks for line in block.splitlines()]
    assert len(commands) > 8
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "emarsys-pipeline"
        ran = run(*arguments)
        assert ran.exit_code == 0, f"{command}\n{ran.errors}"


def test_the_table_of_guards_names_all_settings_with_their_defaults() -> None:
    rows = re.findall(r"^\| [^|]+ \| (`[^|]+) \| [^|]+ \|$", PAGE, re.MULTILINE)
    told = dict(re.findall(r"`(\w+)`(?: \((\w+)\))?", " ".join(rows)))
    defaults = StitchingSettings().model_dump()
    elsewhere = {
        *("mode", "full_every_days", "golden_records"),
        *("unusual_merges_factor", "unusual_merges_minimum"),
    }
    assert set(told) >= set(defaults) - elsewhere
    for name, default in told.items():
        if default:
            assert str(defaults[name]).lower() == default


def test_the_page_stays_short() -> None:
    assert len(PAGE.splitlines()) <= 100
