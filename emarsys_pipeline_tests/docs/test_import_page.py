"""docs/import.md names only what exists."""

import re
from pathlib import Path

import pytest
import typer

from emarsys_pipeline.cli.app import app
from emarsys_pipeline.defs.build import build_definitions
from emarsys_pipeline.settings import ImportSettings, load_settings
from emarsys_pipeline.warehouse import Warehouse
from emarsys_pipeline_tests.stages.landed_rows import table

PAGE = (Path(__file__).parents[2] / "docs" / "import.md").read_text()
RELATIONS = "select table_name from duckdb_tables() union select view_name from duckdb_views()"


def test_commands_jobs_settings_and_tables_of_the_page_exist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = typer.main.get_command(app)
    known = set(group.commands)  # type: ignore[attr-defined]
    commands = set(re.findall(r"emarsys-pipeline ([a-z-]+)", PAGE))
    assert commands == {"plan", "rebuild", "segments"}
    assert commands <= known
    assert set(re.findall(r"imports\.(\w+)", PAGE)) <= set(ImportSettings.model_fields)
    defaults = dict(re.findall(r"`imports\.(\w+)` \((\d+)[;)]", PAGE))
    assert {name: str(getattr(ImportSettings(), name)) for name in defaults} == defaults
    assert len(defaults) == 2
    monkeypatch.chdir(tmp_path)
    assert "segment_reconciliation" in PAGE
    definitions = build_definitions(load_settings())
    assert definitions.resolve_job_def("segment_reconciliation").tags["in_full"] == "true"


def test_tables_of_the_page_exist(warehouse: Warehouse) -> None:
    names = {name for (name,) in table(warehouse, RELATIONS)}
    named = set(re.findall(r"`((?:raw|mapped|export|stitched)_\w+)`", PAGE))
    assert named >= {"raw_prunings", "export_intents", "mapped_contacts"}
    assert named <= names
