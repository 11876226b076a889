"""Brings everything up by the commands of the page, and gives a handle on what runs."""

import contextlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from emarsys_pipeline.sandbox.process import Sandbox
from emarsys_pipeline_tests.bring_up.machine import Machine
from emarsys_pipeline_tests.bring_up.page import Command, commands
from emarsys_pipeline_tests.bring_up.servers import Servers, free_port
from emarsys_pipeline_tests.bring_up.units import read_environment
from emarsys_pipeline_tests.docs.pages import ROOT
from emarsys_pipeline_tests.running_dagster import RunningDagster

ENVIRONMENT = "/etc/emarsys-pipeline/environment"
SETTINGS = "/etc/emarsys-pipeline/emarsys_pipeline.yaml"
PLATFORM_SECRET = "secret-of-the-messaging-platform"
# Commands of the page that change the machine beyond our folders.
INSTALLING = ("python3 -m venv ", "/opt/emarsys-pipeline/bin/pip ")
OF_THE_SYSTEM = ("apt-get ", "adduser ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment(RunningDagster):
    """A running deployment on one machine."""

    machine: Machine
    servers: Servers
    ui_url: str
    webhooks_url: str

    @property
    def address(self) -> str:
        """The webserver's."""
        return self.ui_url

    def logs(self) -> str:
        """What the services wrote."""
        return self.machine.logs()

    def run_on_machine(self, *arguments: str) -> str:
        """What our command prints there, with the environment of the services."""
        return run(
            [str(self.machine.program / "bin" / "emarsys-pipeline"), *arguments],
            self.machine.environment(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Who reads the page: types its commands, and edits the two files it asks to edit.

    Attributes:
        machine: where.
        servers: what the environment file says about servers.
        sandbox: the Emarsys account.
        settings: texts of the settings file and what the operator writes instead.
        installs: whether to make the virtual environment as well.
    """

    machine: Machine
    servers: Servers
    sandbox: Sandbox
    settings: Sequence[tuple[str, str]] = ()
    installs: bool = False

    def bring_up(self, *, tell: Callable[[str], object] = lambda _: None) -> Deployment:
        """Do what the page says, line by line."""
        ui_port, webhooks_port = free_port(), free_port()
        ports = {":3000/": f":{ui_port}/", ":8026/": f":{webhooks_port}/"}
        environment: dict[str, str] | None = None
        for command in commands():
            tell(f"{command.section.split('.')[0]}  {command.line}")
            if command.line.startswith("set -a; "):
                self._edit(ui_port, webhooks_port)
                environment = self.machine.environment()
            line = command.line
            for written, ours in ports.items():
                line = line.replace(written, ours)
            self._do(Command(command.section, line), environment)
        return Deployment(
            machine=self.machine,
            servers=self.servers,
            ui_url=f"http://127.0.0.1:{ui_port}",
            webhooks_url=f"http://127.0.0.1:{webhooks_port}",
        )

    def _do(self, command: Command, environment: dict[str, str] | None) -> None:
        line = command.line
        if line.startswith(OF_THE_SYSTEM) or (line.startswith(INSTALLING) and not self.installs):
            return
        if line.startswith("systemctl enable --now "):
            for unit in shlex.split(line)[3:]:
                self.machine.start(unit)
        elif line == "systemctl daemon-reload":
            for folder in ("/etc/systemd/system", "/etc/emarsys-pipeline"):
                assert self.machine.path(folder).is_dir()
        else:
            self._execute(line, environment)

    def _execute(self, line: str, environment: dict[str, str] | None) -> None:
        for folder in ("/etc/systemd/system", "/opt"):
            self.machine.path(folder).mkdir(parents=True, exist_ok=True)
        # There is no user of that name here, and the database's administrator comes by TCP.
        line = re.sub(r"^(install .*?)-[og] emarsys ", r"\1", line)
        line = line.replace("sudo --preserve-env -u emarsys ", "")
        postgresql = self.servers.postgresql
        address = {"PGHOST": postgresql.host, "PGPORT": postgresql.port}
        role = {"PGUSER": postgresql.administrator, "PGDATABASE": "postgres"}
        given = " ".join(f"{name}={value}" for name, value in {**address, **role}.items())
        line = line.replace("sudo -u postgres ", f"env {given} ")
        run(
            ["bash", "-euo", "pipefail", "-c", self.machine.place(line)],
            environment or {**os.environ},
        )

    def _edit(self, ui_port: int, webhooks_port: int) -> None:
        """Fill in the environment file and the settings, as the page asks before step 4."""
        path = self.machine.path(ENVIRONMENT)
        values = {
            "PGPASSWORD": "passwordofpostgresql",
            "EMARSYS_PIPELINE_BUCKET": "emarsys-pipeline",
            "EMARSYS_SHOP_DE_USERNAME": self.sandbox.username,
            "EMARSYS_SHOP_DE_SECRET": self.sandbox.secret,
            "EMARSYS_PIPELINE_PLATFORM_SECRET": PLATFORM_SECRET,
            **self.servers.environment,
        }
        text = path.read_text(encoding="utf-8")
        empty = {name for name, value in read_environment(path).items() if not value}
        assert empty <= set(values), f"nobody fills in {empty - set(values)}"
        values["EMARSYS_PIPELINE_UI_PORT"] = str(ui_port)
        values["EMARSYS_PIPELINE_CODE_PORT"] = str(free_port())
        for name, value in values.items():
            text, found = re.subn(rf"^{name}=.*$", f"{name}={value}", text, flags=re.MULTILINE)
            assert found == 1, f"{name} is not in the environment file"
        path.write_text(self.machine.place(text), encoding="utf-8")
        settings = self.machine.path(SETTINGS)
        text = settings.read_text(encoding="utf-8")
        edits = (
            ("https://api.emarsys.net", self.sandbox.url),
            (
                "endpoint: s3.example.org",
                f"endpoint: {self.servers.s3_url.removeprefix('http://')}\n    use_ssl: false",
            ),
            ("port: 8026", f"port: {webhooks_port}"),
            *self.settings,
        )
        for written, ours in edits:
            assert written in text, f"the settings file has no {written}"
            text = text.replace(written, ours)
        settings.write_text(self.machine.place(text), encoding="utf-8")


@contextlib.contextmanager
def brought_up(
    operator: Operator, *, tell: Callable[[str], object] = lambda _: None
) -> Iterator[Deployment]:
    """The deployment for the length of the block; ends what it started, also when it fails."""
    try:
        yield operator.bring_up(tell=tell)
    finally:
        operator.machine.kill_all()


def run(command: Sequence[str], environment: dict[str, str]) -> str:
    """Run a command in the checkout and return its output.

    Raises:
        AssertionError: it failed; the message holds what it wrote.
    """
    done = subprocess.run(  # noqa: S603 - a command of the page
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def this_program() -> Path:
    """The virtual environment that runs the tests."""
    return Path(sys.prefix)
