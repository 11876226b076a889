"""Writes ``docs/commands.md``: ``python -m emarsys_pipeline_tests.cli.transcript``.

Each command runs as a process of its own, against a sandbox that is always the same. What differs
from run to run (port, clock, requests counted) is replaced by text of the same width.
"""

import os
import re
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from emarsys_pipeline.sandbox.process import Sandbox, running_sandbox
from emarsys_pipeline_tests.cli.running import OAUTH2, SETTINGS

DOCUMENT = Path(__file__).parents[2] / "docs" / "commands.md"
REGENERATE = "python -m emarsys_pipeline_tests.cli.transcript"
HEADING = f"""# Commands

What the commands print that look at an account or work with one contact. Every command has
`--help`.

The people are invented, the account is the sandbox. This page is written by
`{REGENERATE}`; a test compares it with what the commands print.
"""
# So that doctor has something to put right.
MISSING_PERMISSION = "combinedsegment.list"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the page: its commands run in this order, on what earlier ones left."""

    title: str
    text: str
    commands: tuple[str, ...]
    exit_code: int = 0


DOCTOR = Section(
    title="doctor",
    text=(
        "Whether each account is ready. This one's API user lacks one permission, which is a\n"
        "warning. The exit code is 1 when an account has an error. `--json` tells the same."
    ),
    commands=("emarsys-pipeline doctor",),
)
SECTIONS = (
    Section(
        title="segments",
        text="Ids and names for the settings.",
        commands=("emarsys-pipeline segments",),
    ),
    Section(
        title="contact update",
        text=(
            "Creates the contact if there is none, unless `--no-create` is given. Choices are\n"
            "named by label or id."
        ),
        commands=(
            "emarsys-pipeline contact update mina.muster@example.org"
            " --set first_name=Mina --set salutation=Ms. --set fav_colours=Red,id:7",
            "emarsys-pipeline contact update mina.muster@example.org --set city=Ulm --json",
        ),
    ),
    Section(
        title="contact get",
        text="Choices are shown by id. Without `--field`, the table shows all fields with a value.",
        commands=(
            "emarsys-pipeline contact get mina.muster@example.org",
            "emarsys-pipeline contact get mina.muster@example.org"
            " --field first_name --field 46 --field 'Favourite colours' --json",
        ),
    ),
    Section(
        title="contact get-labels",
        text="The same with the labels of choices, in the account's language or another.",
        commands=(
            "emarsys-pipeline contact get-labels mina.muster@example.org",
            "emarsys-pipeline contact get-labels mina.muster@example.org"
            " --field salutation --field fav_colours --language de --json",
        ),
    ),
    Section(
        title="fields list",
        text="What can be mapped, read and updated. `--json` tells the same.",
        commands=("emarsys-pipeline fields list",),
    ),
    Section(
        title="choices single",
        text="The choices of a single choice field.",
        commands=(
            "emarsys-pipeline choices single salutation",
            "emarsys-pipeline choices single salutation --language de --json",
        ),
    ),
    Section(
        title="choices multi",
        text="The choices of a multi choice field.",
        commands=(
            "emarsys-pipeline choices multi fav_colours",
            "emarsys-pipeline choices multi fav_colours --language de --json",
        ),
    ),
    Section(
        title="event trigger",
        text="With `--trigger-id`, Emarsys takes the event once, however often it is sent.",
        commands=(
            "emarsys-pipeline event trigger 123 mina.muster@example.org"
            """ --data '{"order": "A-1"}'""",
            "emarsys-pipeline event trigger 123 mina.muster@example.org"
            " --trigger-id order-A-2 --json",
        ),
    ),
    Section(
        title="Mistakes",
        text=(
            "A message on standard error says what is wrong and what to do. It never repeats a\n"
            "contact's values."
        ),
        commands=(
            "emarsys-pipeline contact get mina.muster@example.org --field frist_name",
            "emarsys-pipeline contact update nobody@example.org --set city=Ulm --no-create",
        ),
        exit_code=1,
    ),
    Section(
        title="All commands",
        text="",
        commands=("emarsys-pipeline --help",),
    ),
)
CHANGING = (
    (r"http://127\.0\.0\.1:\d+", "http://127.0.0.1:8025"),
    (r"\d+ s (ahead of|behind) Emarsys's *", "0 s behind Emarsys's"),
    (r"[\d,]+ of 1,000 *", "950 of 1,000"),
)


def page() -> str:
    """The whole page as it must be now."""
    with (
        tempfile.TemporaryDirectory() as name,
        running_sandbox(contacts=120, seed=3, has_rate_limit=True) as sandbox,
    ):
        folder = Path(name)
        environment = _environment(folder, sandbox)
        sandbox.set_permissions(off=[MISSING_PERMISSION])
        parts = [HEADING, _told(DOCTOR, folder, environment)]
        sandbox.set_permissions(on=[MISSING_PERMISSION])
        parts += [_told(section, folder, environment) for section in SECTIONS]
    return "\n".join(parts)


def normalise(text: str) -> str:
    """``text`` without what differs from run to run, and without blanks at the ends of lines."""
    for pattern, instead in CHANGING:
        text = re.sub(pattern, partial(_as_wide, instead), text)
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


def _as_wide(instead: str, found: re.Match[str]) -> str:
    return instead.ljust(len(found[0]))


def _environment(folder: Path, sandbox: Sandbox) -> dict[str, str]:
    """All variables that a command sees; the caller's own could change colours and widths."""
    settings = folder / "emarsys_pipeline.yaml"
    settings.write_text(
        SETTINGS.format(
            home=folder / "home",
            url=sandbox.url,
            auth="oauth2",  # what is told about WSSE changes with the date
            connection=OAUTH2.format(token_url=sandbox.token_url),
        )
    )
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "EMARSYS_PIPELINE_CONFIG": str(settings),
        "TEST_CLIENT_ID": sandbox.client_id,
        "TEST_CLIENT_SECRET": sandbox.client_secret,
    }


def _told(section: Section, folder: Path, environment: dict[str, str]) -> str:
    blocks = [f"## {section.title}\n"]
    if section.text:
        blocks.append(f"{section.text}\n")
    for command in section.commands:
        output = normalise(_run(command, section.exit_code, folder, environment))
        exit_code = f"\n$ echo $?\n{section.exit_code}" if section.exit_code else ""
        blocks.append(f"```console\n$ {command}\n{output}{exit_code}\n```\n")
    return "\n".join(blocks)


def _run(command: str, exit_code: int, folder: Path, environment: dict[str, str]) -> str:
    program, *arguments = shlex.split(command)
    done = subprocess.run(  # noqa: S603 - a command of this file
        [Path(sys.executable).parent / program, *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
    )
    if done.returncode != exit_code:
        raise ValueError(f"{command}: exit code {done.returncode}\n{done.stdout}")
    return done.stdout


def main() -> None:
    """Write the page."""
    DOCUMENT.write_text(page())


if __name__ == "__main__":
    main()
