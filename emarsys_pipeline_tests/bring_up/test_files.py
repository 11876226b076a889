"""Each file of ``deploy/`` by itself: what reads it accepts it, and the files agree."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster._core.instance.ref import InstanceRef
from dagster._core.workspace.config_schema import ensure_workspace_config

from emarsys_pipeline.settings import load_settings
from emarsys_pipeline_tests.bring_up.page import PAGE, commands
from emarsys_pipeline_tests.bring_up.units import UNITS, read_environment, read_unit
from emarsys_pipeline_tests.docs.pages import ROOT
from emarsys_pipeline_tests.requirements import POSTGRESQL, REDIS, SYSTEMD, needs

DEPLOY = ROOT / "deploy"
NAMES = sorted(path.name.removesuffix(".service") for path in UNITS.glob("*.service"))
TEMPLATE = read_environment(DEPLOY / "emarsys-pipeline.env.example")


@needs(SYSTEMD)
@pytest.mark.parametrize("name", NAMES)
def test_systemd_finds_nothing_wrong_with_a_unit(name: str, tmp_path: Path) -> None:
    """The programs are those of this virtual environment, since nothing is in /opt here."""
    unit = tmp_path / f"{name}.service"
    text = (UNITS / unit.name).read_text()
    unit.write_text(text.replace("/opt/emarsys-pipeline", sys.prefix))
    done = subprocess.run(  # noqa: S603 - a program found by its name
        [str(SYSTEMD.path_of_program), "verify", "--man=no", "--recursive-errors=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@needs(SYSTEMD)
def test_systemd_does_find_what_is_wrong(tmp_path: Path) -> None:
    """The test above could otherwise pass on anything."""
    unit = tmp_path / "emarsys-pipeline-code.service"
    unit.write_text((UNITS / unit.name).read_text().replace("ProtectSystem", "ProtectSytem"))
    done = subprocess.run(  # noqa: S603 - a program found by its name
        [str(SYSTEMD.path_of_program), "verify", "--man=no", "--recursive-errors=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Unknown key 'ProtectSytem'" in done.stderr
    assert "is not executable" in done.stderr


def test_all_units_are_protected_alike() -> None:
    protections = set()
    for name in NAMES:
        text = (UNITS / f"{name}.service").read_text()
        protections.add(text[text.index("# It writes its state") :])
        assert "User=emarsys\n" in text
        assert "Restart=on-failure\n" in text
    assert len(protections) == 1


def test_each_variable_that_a_file_names_is_in_the_environment_template() -> None:
    named: set[str] = set()
    for name in NAMES:
        command = read_unit(UNITS, f"{name}1" if name.endswith("@") else name, host="h").command
        named |= set(re.findall(r"\$\{(\w+)\}", " ".join(command)))
    for path in ("emarsys_pipeline.yaml", "dagster.yaml", "workspace.yaml"):
        text = (DEPLOY / path).read_text().replace("${NAME}", "")
        named |= {*re.findall(r"\$\{(\w+)\}", text), *re.findall(r"env: (\w+)", text)}
    config = (DEPLOY / "celery" / "dagster_celery_config.py").read_text()
    named |= set(re.findall(r'os.environ\["(\w+)"\]', config))
    read_by_libraries = {
        *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "DAGSTER_HOME"),
        *("EMARSYS_PIPELINE_CONFIG", "PYTHONPATH"),
    }
    assert named | read_by_libraries == set(TEMPLATE)


def test_the_template_holds_no_secret() -> None:
    secrets = {name for name in TEMPLATE if re.search(r"PASSWORD|SECRET|KEY|USERNAME|CELERY", name)}
    assert len(secrets) == 8
    assert {TEMPLATE[name] for name in secrets} == {""}


def test_a_shell_reads_the_template_as_systemd_does() -> None:
    done = subprocess.run(
        ["bash", "-c", "set -a; . deploy/emarsys-pipeline.env.example; env -0"],  # noqa: S607
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    shell = dict(item.split("=", 1) for item in done.stdout.split("\0") if item)
    assert {name: shell[name] for name in TEMPLATE} == TEMPLATE


def test_dagster_accepts_the_instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All but the storage, which connects at once and is seen when everything is brought up."""
    for name, value in {**TEMPLATE, "CELERY_BROKER_URL": "redis://"}.items():
        monkeypatch.setenv(name, value or "x")
    monkeypatch.setenv("EMARSYS_PIPELINE_S3_URL", "http://127.0.0.1:9")
    (tmp_path / "dagster.yaml").write_text((DEPLOY / "dagster.yaml").read_text())
    reference = InstanceRef.from_dir(str(tmp_path))
    parts = (reference.run_launcher, reference.run_coordinator, reference.compute_log_manager)
    assert [type(part).__name__ for part in parts] == [
        "WatchedCeleryRunLauncher",
        "QueuedRunCoordinator",
        "S3ComputeLogManager",
    ]
    settings: Any = reference.settings
    assert settings["run_monitoring"]["enabled"] is True
    assert settings["run_retries"]["retry_on_asset_or_op_failure"] is False


def test_dagster_keeps_house_alike_on_one_machine_and_on_several() -> None:
    """What is the same thing in both profiles has the same value in both files."""
    one = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    several = yaml.safe_load((DEPLOY / "dagster.yaml").read_text())
    for key in ("run_retries", "python_logs", "freshness", "retention", "telemetry", "nux"):
        assert several[key] == one[key], key


def test_dagster_accepts_the_workspace(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in TEMPLATE.items():
        monkeypatch.setenv(name, value)
    path = DEPLOY / "workspace.yaml"
    config = ensure_workspace_config(yaml.safe_load(path.read_text()), str(path))
    server = {"host": "127.0.0.1", "port": 4000, "location_name": "emarsys_pipeline"}
    assert config["load_from"] == [{"grpc_server": server}]


def test_the_settings_are_settings_that_load() -> None:
    settings = load_settings(DEPLOY / "emarsys_pipeline.yaml")
    assert str(settings.dagster_home) == TEMPLATE["DAGSTER_HOME"]


def test_the_page_installs_each_file_and_starts_each_unit() -> None:
    lines = [command.line for command in commands()]
    files = [path for path in DEPLOY.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    patterns = [
        word
        for line in lines
        if line.startswith("install ")
        for word in line.split()
        if "/" in word
    ]
    installed = {path for pattern in patterns for path in ROOT.glob(pattern.lstrip("/"))}
    assert set(files) <= installed
    started = {
        word.partition("@")[0]
        for line in lines
        if line.startswith("systemctl enable --now ")
        for word in line.split()[3:]
    }
    assert started == {name.removesuffix("@") for name in NAMES}


def test_the_page_names_the_packages_that_tests_have() -> None:
    (line,) = [command.line for command in commands() if command.line.startswith("apt-get ")]
    packages = set(line.split("--yes ")[1].split())
    assert packages == {POSTGRESQL.name, REDIS.name, "curl", "python3-venv", "sudo"}


def test_the_page_names_an_extra_that_exists() -> None:
    (extra,) = set(re.findall(r"'\.\[(\w+)\]'", PAGE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert extra in project["optional-dependencies"]
