"""The Dagster home and runs in this process."""

import os
from pathlib import Path

import dagster as dg
import pytest
import yaml

from emarsys_pipeline.defs.home import prepare_home


def test_a_home_gets_the_projects_settings_and_keeps_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    home = prepare_home(Path("dagster"))
    assert home.is_absolute()
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert not instance.telemetry_enabled
        assert instance.run_retries_enabled
        assert not instance.run_retries_retry_on_asset_or_op_failure
    workspace = yaml.safe_load((home / "workspace.yaml").read_text(encoding="utf-8"))
    assert workspace["load_from"][0]["python_module"]["location_name"] == "emarsys_pipeline"
    settings = home / "dagster.yaml"
    settings.write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    prepare_home(home)
    assert settings.read_text(encoding="utf-8") == "telemetry: {enabled: false}\n"
    assert "DAGSTER_HOME" not in os.environ or os.environ["DAGSTER_HOME"] != str(home)
