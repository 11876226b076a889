"""The demo: the whole job in this process, twice, and with something that did not arrive."""

import re
import warnings
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from emarsys_pipeline.cli.app import app
from emarsys_pipeline.sandbox.process import running_sandbox

ROOT = Path(__file__).parents[2]
TABLES = (
    "raw_segment_exports",
    "mapped_contacts",
    "current_contacts",
    "platform_contacts",
    "consent_events",
    "stitched_identities",
    "identities",
    "opt_in_deltas",
    "opt_in_pushes",
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def demo_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a demo that has run once."""
    home = tmp_path_factory.mktemp("demo")
    assert_arrived(run_demo(home))
    return home


def run_demo(home: Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["demo", "--contacts", "600", "--home", str(home)])
    return result.exit_code, result.output


def assert_arrived(outcome: tuple[int, str]) -> None:
    exit_code, output = outcome
    assert exit_code == 0, output
    counts = {
        line.split("│")[1].strip(): int(line.split("│")[2].strip().replace(",", ""))
        for line in output.split("Where the time went", maxsplit=1)[0].splitlines()
        if line.count("│") == 3
    }
    assert counts["contacts imported"] > 400
    assert counts["contacts changed in the second window"] > 0
    assert counts["contacts merged into another's identity"] > 0
    assert counts["consent decisions"] > 0
    assert counts["pushes accepted"] > 0
    assert counts["pushes still open"] == 0
    assert counts["contacts missing or too many"] == 0
    assert counts["drift (Emarsys shows another decision)"] == 0


def stored(home: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All rows but the columns that name the run and the time of loading."""
    path = home / ".emarsys_pipeline" / "warehouse.duckdb"
    with duckdb.connect(str(path), read_only=True) as connection:
        return {
            table: connection.execute(
                f"select columns(c -> c not in ('run_id', 'loaded_at')) from {table} order by all"  # noqa: S608 - a constant
            ).fetchall()
            for table in TABLES
        }


def test_a_second_run_changes_nothing(demo_home: Path) -> None:
    before = stored(demo_home)
    assert all(before.values())
    assert_arrived(run_demo(demo_home))
    assert stored(demo_home) == before


def test_a_value_that_did_not_arrive_is_counted_and_fails_the_command(demo_home: Path) -> None:
    state = demo_home / "sandbox.duckdb"
    with running_sandbox(state=state) as sandbox:
        values = sandbox.field_values("10500", only_set=True)
        granted = [contact for contact, value in values.items() if value == "granted"]
        pushed = {row["contact_id"] for row in sandbox.log(field="10500", source="api")}
        victim = next(contact for contact in granted if contact in pushed)
        sandbox.import_silently({victim: {"10500": "tampered"}})
    exit_code, output = run_demo(demo_home)
    assert exit_code == 1
    assert "not everything arrived" in output
    with running_sandbox(state=state) as sandbox:
        sandbox.import_silently({victim: {"10500": "granted"}})


def test_every_example_query_answers(demo_home: Path) -> None:
    """The one about differences must answer nothing: the demo's data has arrived."""
    text = (ROOT / "docs" / "queries.md").read_text()
    queries = dict(re.findall(r"^## (.+?)\n.*?```sql\n(.*?)```", text, re.DOTALL | re.MULTILINE))
    assert len(queries) >= 12
    with duckdb.connect(str(_analytics(demo_home)), read_only=True) as connection:
        rows = {title: connection.execute(sql).fetchall() for title, sql in queries.items()}
    assert {title for title, found in rows.items() if not found} == {
        "What does Emarsys show that the ledger does not?"
    }


def test_the_notebook_runs_and_draws(demo_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANALYTICS", str(_analytics(demo_home)))
    # The kernel is a process of its own, whose warnings are those of its libraries.
    monkeypatch.delenv("PYTHONWARNINGS", raising=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import nbformat
        from nbclient import NotebookClient

        notebook = nbformat.read(ROOT / "docs" / "analysis.ipynb", as_version=4)  # type: ignore[no-untyped-call]
        NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    pictures = [each for each in outputs if "image/png" in each.get("data", {})]
    assert len(pictures) == 3
    assert not any(each["output_type"] == "error" for each in outputs)


def _analytics(home: Path) -> Path:
    return home / ".emarsys_pipeline" / "analytics.duckdb"
