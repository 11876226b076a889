"""Runs the command in this process, exactly as the installed one starts."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from emarsys_pipeline.cli import main
from emarsys_pipeline.sandbox.process import Sandbox

SETTINGS = """
home: {home}
windows: {{start: 2026-01-01T00:00:00Z}}
accounts:
  - name: shop_de
    base_url: {url}
    connection:
      auth: {auth}
{connection}
    default_region: DE
    segments: [100400101, {{name: "VIP customers"}}]
    fields:
      - {{emarsys: 1, as: first_name}}
      - {{emarsys: email, as: email, identifier: email}}
      - {{emarsys: mobile, as: mobile, identifier: phone}}
      - {{emarsys: 46, as: salutation}}
    opt_in: {{field: "WhatsApp opt-in"}}
"""
WSSE = "      username: ${TEST_USERNAME}\n      secret: ${TEST_SECRET}"
OAUTH2 = (
    "      client_id: ${{TEST_CLIENT_ID}}\n      client_secret: ${{TEST_CLIENT_SECRET}}\n"
    "      token_url: {token_url}"
)


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command did."""

    exit_code: int
    output: str
    errors: str

    @property
    def json(self) -> Any:
        """The document on standard output, where nothing else may stand."""
        return json.loads(self.output)


Run = Callable[..., Ran]


def make_run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """A function that runs the command with these arguments."""

    def run(*arguments: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["emarsys-pipeline", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return Ran(int(ended.value.code or 0), captured.out, captured.err)

    return run


def write_settings(
    folder: Path,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    *,
    auth: str = "wsse",
    change: tuple[str, str] = ("", ""),
) -> Path:
    """The settings file of an account in the sandbox, with its secrets in the environment.

    ``change`` is a text of the file and what stands there instead.
    """
    monkeypatch.setenv("TEST_USERNAME", sandbox.username)
    monkeypatch.setenv("TEST_SECRET", sandbox.secret)
    monkeypatch.setenv("TEST_CLIENT_ID", sandbox.client_id)
    monkeypatch.setenv("TEST_CLIENT_SECRET", sandbox.client_secret)
    connection = WSSE if auth == "wsse" else OAUTH2.format(token_url=sandbox.token_url)
    text = SETTINGS.format(home=folder / "home", url=sandbox.url, auth=auth, connection=connection)
    path = folder / "emarsys_pipeline.yaml"
    assert change[0] in text
    path.write_text(text.replace(*change) if change[0] else text)
    monkeypatch.setenv("EMARSYS_PIPELINE_CONFIG", str(path))
    return path
