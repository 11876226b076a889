"""Units of ``deploy/systemd``, read as systemd reads them, as far as ours go."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from emarsys_pipeline_tests.docs.pages import ROOT

UNITS = ROOT / "deploy" / "systemd"

# What systemd gives a service of its own accord.
BARE_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
    "LANG": "C.UTF-8",
    "HOME": "/var/lib/emarsys-pipeline",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The part of a unit that says what is executed.

    Attributes:
        command: ``ExecStart``.
        afterwards: ``ExecStartPost``; the unit has started when it has ended.
    """

    command: tuple[str, ...]
    afterwards: tuple[str, ...]
    environment_file: str
    working_directory: str


def expand(command: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """A command with ``${NAME}`` replaced, which never splits a word in two."""
    return [re.sub(r"\$\{(\w+)\}", lambda match: environment[match[1]], word) for word in command]


def read_unit(folder: Path, name: str, *, host: str) -> Service:
    """A unit by the name that ``systemctl`` takes, such as ``emarsys-pipeline-worker@1``."""
    template, at, instance = name.partition("@")
    text = (folder / f"{template}{at}.service").read_text(encoding="utf-8")
    section = re.search(r"^\[Service\]\n(.*?)(?=^\[|\Z)", text, re.DOTALL | re.MULTILINE)
    assert section is not None, name
    values = dict(
        line.split("=", 1) for line in section[1].splitlines() if line and not line.startswith("#")
    )
    specifiers = {"i": instance, "H": host, "%": "%"}

    def words(key: str) -> tuple[str, ...]:
        text = re.sub(r"%(.)", lambda match: specifiers[match[1]], values.get(key, ""))
        return tuple(shlex.split(text))

    return Service(
        command=words("ExecStart"),
        afterwards=words("ExecStartPost"),
        environment_file=values["EnvironmentFile"],
        working_directory=values["WorkingDirectory"],
    )


def read_environment(path: Path) -> dict[str, str]:
    """An environment file: one assignment a line, quotes taken off, nothing expanded."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.partition("=")
            words = shlex.split(value)
            assert len(words) <= 1, f"{path.name}: {name} needs quotes"
            found[name] = words[0] if words else ""
    return found
