"""Whether the README is true: its commands run, its names exist, its links lead somewhere."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from emarsys_pipeline.emarsys.permission_list import PERMISSIONS
from emarsys_pipeline.sandbox.process import running_sandbox
from emarsys_pipeline.settings import example_settings, load_settings
from emarsys_pipeline.warehouse import load_sql

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BIN = Path(sys.executable).parent
OURS = "emarsys-pipeline "

# What CI itself runs: the two lines that set everything up, and the developer's commands.
RUN_BY_CI = ("python3 -m venv ", "ruff ", "mypy", "dg ", "pytest ")
# Commands that serve until Ctrl-C; their tests are those of the command.
SERVING = ("emarsys-pipeline ui", "emarsys-pipeline webhooks", "emarsys-pipeline sandbox")


def _blocks(language: str) -> list[str]:
    blocks = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", README, re.DOTALL | re.MULTILINE)
    return [re.sub(rf"^{indent}", "", body, flags=re.MULTILINE) for indent, body in blocks]


def _commands() -> list[str]:
    return [line for block in _blocks("sh") for line in block.splitlines()]


def _run(command: str, folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(  # noqa: S603 - a command of the README
        shlex.split(command),
        cwd=folder,
        env={**os.environ, **environment, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.slow
def test_every_command_runs_in_the_order_of_the_readme(tmp_path: Path) -> None:
    """One folder, as a reader would have it; the account is the sandbox instead of a real one."""
    (tmp_path / "decisions.csv").write_text(
        "event_id,phone,channel,status,occurred_at\n"
        "e-1,+491700000001,whatsapp,granted,2026-11-01T10:00:00Z\n"
    )
    with running_sandbox(contacts=300) as sandbox:
        demo = f"emarsys-pipeline demo --contacts 300 --home {tmp_path / 'demo'}"
        environment = {
            "EMARSYS_SHOP_DE_USERNAME": sandbox.username,
            "EMARSYS_SHOP_DE_SECRET": sandbox.secret,
        }
        for command in [demo, *_commands()]:
            if command.startswith((*RUN_BY_CI, "duckdb ")):
                continue
            if command.startswith(SERVING):
                _run(f"{command} --help", tmp_path, environment)
                continue
            _run(command, tmp_path, environment)
            settings = tmp_path / "emarsys_pipeline.yaml"
            if command == "emarsys-pipeline init":
                text = settings.read_text()
                assert "http://127.0.0.1:8025" in text
                # The demo's data stands for what a first import would bring.
                text = text.replace("http://127.0.0.1:8025", sandbox.url)
                settings.write_text(text.replace("home: .emarsys_pipeline", f"home: {_home(demo)}"))
        (example,) = _blocks("python")
        (tmp_path / ".emarsys_pipeline").symlink_to(_home(demo))
        _run(shlex.join(["python", "-c", example]), tmp_path, environment)


def _home(demo: str) -> Path:
    """Where the demo keeps its data."""
    (settings,) = Path(shlex.split(demo)[-1]).glob("*.yaml")
    return load_settings(settings).warehouse_directory


def test_every_command_of_ours_is_one_that_exists() -> None:
    named = set(re.findall(r"`emarsys-pipeline ([a-z][a-z-]*)", README))
    named |= {shlex.split(line)[1] for line in _commands() if line.startswith(OURS)}
    commands = _run("emarsys-pipeline --help", ROOT, {"COLUMNS": "200"})
    assert named
    assert named <= set(re.findall(r"^│ ([a-z][a-z-]*) ", commands, re.MULTILINE))


def test_every_link_and_path_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)]+)\)", README)
    paths = [link for link in links if not link.startswith("https://")]
    paths += re.findall(r"`((?:emarsys_pipeline|docs|\.ci)/[^` ]*|[a-z]+\.yaml)`", README)
    written_by_init = {"emarsys_pipeline.yaml"}
    assert "docs/asset_graph.png" in paths
    assert [path for path in paths if path not in written_by_init and not _exists(path)] == []


def _exists(path: str) -> bool:
    return (ROOT / path).exists()


def test_every_view_that_is_named_is_one_for_analysts() -> None:
    rows = re.findall(r"^\| ((?:`[a-z_]+`(?:, )?)+) \|", README, re.MULTILINE)
    named = {view for row in rows for view in re.findall(r"`([a-z_]+)`", row)}
    views = re.findall(
        r"^create view (\w+)",
        load_sql("emarsys_pipeline.warehouse", "analytics.sql", **_no_properties()),
        re.MULTILINE,
    )
    assert len(named) >= 8
    assert named <= set(views)


def _no_properties() -> dict[str, str]:
    return {
        "contact_property_columns": "",
        "property_columns": "",
        "property_names": "",
        "tables": "pipeline",
    }


def test_the_settings_shown_are_settings_that_load(tmp_path: Path) -> None:
    (shown,) = _blocks("yaml")
    connections = [line for line in shown.splitlines() if line.startswith("connection:")]
    example = re.sub(
        r"    connection:.*?(?=    default_region)",
        "    CONNECTION",
        example_settings(),
        flags=re.S,
    )
    loaded = []
    for connection in connections:
        path = tmp_path / "emarsys_pipeline.yaml"
        path.write_text(example.replace("CONNECTION", f"{connection}\n"))
        loaded.append(load_settings(path).accounts[0].connection.auth)
    assert loaded == ["wsse", "oauth2"]


def test_every_permission_is_listed() -> None:
    rows = re.findall(r"^ +\| [^|]+ \| ((?:`[a-zA-Z.]+` ?)+)\|$", README, re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`([^`]+)`", row)]
    of_one_connector = [name for row in rows[:3] for name in re.findall(r"`([^`]+)`", row)]
    assert len(of_one_connector) == 18
    assert len(named) == len(set(named))
    assert {permission.name for permission in PERMISSIONS} <= set(named)


def test_it_stays_short() -> None:
    assert len(README.splitlines()) <= 200
