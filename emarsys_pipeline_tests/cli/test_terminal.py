"""What every command has in common: help that teaches, JSON, colours, exit codes, Ctrl-C."""

import csv
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import duckdb
import pytest
import requests
import typer

from emarsys_pipeline.cli.app import app
from emarsys_pipeline.inbox import Inbox
from emarsys_pipeline.settings import load_settings
from emarsys_pipeline.warehouse import Warehouse
from emarsys_pipeline_tests.builders import add_contact
from emarsys_pipeline_tests.cli.processes import COMMAND, environment, in_a_terminal, interrupt
from emarsys_pipeline_tests.defs.dagster_dev import _free_port

# Commands that serve, write a file that they name, have a format of their own, or give JSON always.
WITHOUT_JSON = {("init",), ("ui",), ("webhooks",), ("metrics",), ("contacts", "export")}
ESCAPE = "\x1b["


def _leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from _leaves(child, (*path, name))
    else:
        yield path


def _command(path: tuple[str, ...]) -> click.Command:
    found: click.Command = typer.main.get_command(app)
    for name in path:
        assert isinstance(found, click.Group)
        found = found.commands[name]
    return found


LEAVES = list(_leaves(typer.main.get_command(app)))


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_help_teaches_with_an_example(path: tuple[str, ...]) -> None:
    command = _command(path)
    text = f"{command.help} {command.epilog}"
    assert "xample" in text
    assert f"emarsys-pipeline {' '.join(path)}" in text
    options = [each for each in command.params if isinstance(each, click.Option)]
    assert all(each.help for each in options if each.name != "help")


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_every_command_whose_output_is_data_gives_json(path: tuple[str, ...]) -> None:
    names = {name for each in _command(path).params for name in each.opts}
    assert ("--json" in names) != (path in WITHOUT_JSON)


def _run(*arguments: str, folder: Path, **more: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 - our own command
        [COMMAND, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=environment(**more),
        timeout=120,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with settings and an empty warehouse."""
    assert _run("init", folder=tmp_path).returncode == 0
    settings = load_settings(tmp_path / "emarsys_pipeline.yaml")
    Warehouse(settings.warehouse_directory).migrate()
    return tmp_path


def test_exit_codes_are_those_of_the_page(folder: Path) -> None:
    assert _run("query", "select 1", folder=folder).returncode == 0
    failed = _run("query", "selec 1", folder=folder)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.startswith("error:")
    wrong = _run("query", "--no-such-option", folder=folder)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    (folder / "emarsys_pipeline.yaml").write_text("home: 1\n")
    mistaken = _run("status", folder=folder)
    assert mistaken.returncode == 1
    assert "docs/errors.md#settingserror" in mistaken.stderr
    assert "Traceback" not in mistaken.stderr


def test_colours_are_for_terminals_that_want_them(folder: Path) -> None:
    wrong = ("query", "selec 1")
    assert ESCAPE not in _run(*wrong, folder=folder).stderr
    seen = in_a_terminal("init", env=environment(), folder=folder)
    assert ESCAPE + "31m" in seen
    plain = in_a_terminal("init", env=environment(NO_COLOR="1"), folder=folder)
    assert "exists already" in plain
    assert ESCAPE + "31m" not in plain


def test_a_reader_that_goes_away_is_no_failure_to_explain(folder: Path) -> None:
    """As in ``emarsys-pipeline query ... --csv | head -1``."""
    done = subprocess.run(  # noqa: S603 - our own command
        ["bash", "-c", f"{COMMAND} query 'from range(200000)' --csv | head -1"],  # noqa: S607 - Debian's
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=environment(),
        timeout=60,
    )
    assert done.stdout == "range\n"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("sta",), {"status"}),
        (("opt-in", "gr"), {"grant"}),
        (("inbox", "load", "--ki"), {"--kind"}),
        (("inbox", "load", "--kind", "con"), {"consent", "contact"}),
    ],
    ids=["command", "subcommand", "option", "value"],
)
def test_bash_completes(words: tuple[str, ...], expected: set[str], tmp_path: Path) -> None:
    """In a real bash, with the script that --install-completion writes."""
    line = ["emarsys-pipeline", *words]
    script = f"""
        PATH={COMMAND.parent}:$PATH
        eval "$(_EMARSYS_PIPELINE_COMPLETE=source_bash emarsys-pipeline)"
        COMP_WORDS=({" ".join(line)}); COMP_CWORD={len(words)}; COMP_LINE="{" ".join(line)}"
        _emarsys_pipeline_completion emarsys-pipeline
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(  # noqa: S603 - our own command
        ["bash", "-c", script],  # noqa: S607 - Debian's
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=environment(),
        timeout=60,
    )
    assert set(done.stdout.split()) == expected


def test_query_gives_csv_and_json_of_all_rows(folder: Path) -> None:
    statement = "select i, 'a,\"b' as t, null as n, [1, 2] as l from range(250) r(i)"
    as_csv = list(csv.reader(_run("query", statement, "--csv", folder=folder).stdout.splitlines()))
    as_json = json.loads(_run("query", statement, "--json", folder=folder).stdout)
    assert as_csv[:2] == [["i", "t", "n", "l"], ["0", 'a,"b', "", "[1, 2]"]]
    assert len(as_csv) == 251
    assert as_json[249] == {"i": 249, "t": 'a,"b', "n": None, "l": [1, 2]}


def test_export_replaces_a_view_in_one_step_and_nothing_else(folder: Path) -> None:
    settings = load_settings(folder / "emarsys_pipeline.yaml")
    warehouse = Warehouse(settings.warehouse_directory, publish_interval_seconds=0)
    for contacts in (("1", "2"), ("3",)):
        with warehouse.write() as connection:
            for contact in contacts:
                add_contact(connection, contact, segment_id=contact)
        told = _run(
            *("export", "segment_changes", "contacts", "--to", "lake"),
            *("--partition-by", "account", "--partition-by", "segment_id", "--json"),
            folder=folder,
        )
        assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout) == [
        {"view": "segment_changes", "folder": "lake/segment_changes", "rows": 3, "files": 3},
        {"view": "contacts", "folder": "lake/contacts", "rows": 3, "files": 1},
    ]
    files = str(folder / "lake" / "segment_changes" / "**" / "*.parquet")
    read = (
        duckdb.read_parquet(files, hive_partitioning=True)
        .project("segment_id, contact_id")
        .order("segment_id")
    )
    assert [tuple(map(str, row)) for row in read.fetchall()] == [("1", "1"), ("2", "2"), ("3", "3")]
    assert sorted(path.name for path in (folder / "lake").iterdir()) == [
        "contacts",
        "segment_changes",
    ]
    (folder / "own" / "contacts").mkdir(parents=True)
    refused = _run("export", "contacts", "--to", "own", folder=folder)
    assert refused.returncode == 1
    assert "is no export" in refused.stderr
    assert list((folder / "own" / "contacts").iterdir()) == []
    assert _run("export", "no_such_view", "--to", "lake", folder=folder).returncode == 2


def test_an_interrupted_load_can_be_repeated(folder: Path) -> None:
    rows = 100_000
    file = folder / "decisions.csv"
    with file.open("w") as out:
        out.write("event_id,phone,channel,status,occurred_at\n")
        for number in range(rows):
            out.write(f"e{number},+491700000001,whatsapp,granted,2026-01-01T00:00:00Z\n")
    inbox_path = load_settings(folder / "emarsys_pipeline.yaml").inbox_path

    def some_are_in() -> bool:
        if not inbox_path.exists():
            return False
        with Inbox(inbox_path) as inbox:
            return inbox.counts["consent"] > 0

    ended = interrupt(
        "inbox", "load", str(file), env=environment(), folder=folder, when=some_are_in
    )
    assert (ended.exit_code, ended.output) == (130, "")
    assert "nothing is half done" in ended.errors
    with Inbox(inbox_path) as inbox:
        kept = inbox.counts["consent"]
    assert 0 < kept < rows
    again = json.loads(_run("inbox", "load", str(file), "--json", folder=folder).stdout)
    assert (again["accepted"], again["duplicates"]) == (rows - kept, kept)
    with Inbox(inbox_path) as inbox:
        assert inbox.counts["consent"] == rows


def test_ctrl_c_ends_the_webhook_service_and_what_it_took_is_kept(folder: Path) -> None:
    port = _free_port()
    path = folder / "emarsys_pipeline.yaml"
    path.write_text(
        f"{path.read_text()}\nwebhooks:\n  port: {port}\n  platform_auth: header\n"
        '  platform_secret: "${TEST_PLATFORM_SECRET}"\n'
    )
    secret = "a secret of at least thirty-two bytes"

    def delivered() -> bool:
        try:
            reply = requests.post(
                f"http://127.0.0.1:{port}/webhooks/platform/consent",
                json={
                    "event_id": "e-1",
                    "phone": "+491700000001",
                    "channel": "whatsapp",
                    "status": "granted",
                    "occurred_at": "2026-01-01T00:00:00Z",
                },
                headers={"X-API-Key": secret, "Authorization": f"Bearer {secret}"},
                timeout=5,
            )
        except requests.ConnectionError:
            return False
        assert reply.status_code in {200, 202}, reply.text
        return True

    ended = interrupt(
        "webhooks",
        env=environment(TEST_PLATFORM_SECRET=secret),
        folder=folder,
        when=delivered,
    )
    assert ended.exit_code == 0, ended.errors
    assert "Traceback" not in ended.errors
    with Inbox(load_settings(path).inbox_path) as inbox:
        assert inbox.counts["consent"] == 1


@pytest.mark.slow
def test_an_interrupted_demo_leaves_no_process_and_is_finished_by_the_next(tmp_path: Path) -> None:
    """Interrupted while it imports, and again after it has, then left alone."""
    arguments = ("demo", "--contacts", "300", "--home", str(tmp_path / "demo"))
    err = tmp_path / "interrupted.err"
    warehouse = tmp_path / "demo" / ".emarsys_pipeline" / "warehouse.duckdb"

    def has_imported() -> bool:
        return "window 1: import and map in full" in err.read_text()

    for moment in (warehouse.exists, has_imported):
        ended = interrupt(*arguments, env=environment(), folder=tmp_path, when=moment)
        assert (ended.exit_code, ended.output) == (130, ""), ended.errors
        assert "Traceback" not in ended.errors
    finished = _run(*arguments, "--json", folder=tmp_path)
    assert finished.returncode == 0, finished.stderr
    arrived = json.loads(finished.stdout)["arrived"]
    assert (arrived["missing_contacts"], arrived["drift"], arrived["pushes_open"]) == (0, 0, 0)
    assert arrived["pushes_accepted"] > 0
