"""``emarsys-pipeline sandbox``: what it prints, and what its commands do to a running sandbox."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from emarsys_pipeline.cli.app import app
from emarsys_pipeline.sandbox.faults import FAULTS
from emarsys_pipeline.sandbox.process import Sandbox, running_sandbox

COMMAND = (sys.executable, "-c", "from emarsys_pipeline.cli import main; main()", "sandbox")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox(contacts=200) as running:
        yield running


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["sandbox", *arguments])


@contextmanager
def serving(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run the command until the block ends, then interrupt it as Ctrl-C does."""
    with subprocess.Popen(  # noqa: S603 - ours
        [*COMMAND, *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(20) in (0, 130, -signal.SIGINT)


def read_until(process: subprocess.Popen[str], text: str) -> list[str]:
    lines: list[str] = []
    for line in process.stdout or ():
        lines.append(line.rstrip("\n"))
        if text in line:
            break
    return lines


def test_it_prints_credentials_addresses_and_a_curl_line_that_works() -> None:
    with serving("--port", "0", "--contacts", "60", "--seed", "5") as process:
        lines = read_until(process, "From another terminal")
        url = lines[0].removeprefix("Emarsys sandbox at ")
        assert lines[1:7] == [
            "  contacts:         60, seed 5",
            f"  API v2 (WSSE):    {url}/api/v2   user sandbox001, secret sandbox-secret",
            f"  API v3 (OAuth2):  {url}/api/v3   client sandbox-client,"
            " secret sandbox-client-secret",
            f"  token endpoint:   {url}/oauth2/token",
            f"  contact upserts:  {url}/api/v1beta/contacts   x-api-key sandbox-platform-key",
            f"  explained at:     {url}/   (for machines: {url}/openapi.json)",
        ]
        shell = shutil.which("sh")
        assert shell is not None
        curl = next(line.strip() for line in lines if line.startswith("  curl"))
        answer = subprocess.run([shell, "-c", curl], check=True, capture_output=True)  # noqa: S603
        assert json.loads(answer.stdout)["data"][0]["name"] == "Newsletter readers"


def test_a_temporary_account_goes_with_the_server() -> None:
    with serving("--port", "0", "--contacts", "10", "--json") as process:
        path = Path(json.loads(read_until(process, "}")[0])["state"])
        assert path.is_file()
    assert not path.parent.exists()


def test_a_script_gets_one_line_of_json(tmp_path: Path) -> None:
    state = tmp_path / "account.duckdb"
    options = ("--port", "0", "--state", str(state), "--username", "me", "--json")
    with serving(*options, "--contacts", "70") as process:
        document = json.loads(read_until(process, "}")[0])
    url = document.pop("url")
    assert document == {
        "token_url": f"{url}/oauth2/token",
        "state": str(state),
        "contacts": 70,
        "username": "me",
        "secret": "sandbox-secret",
        "client_id": "sandbox-client",
        "client_secret": "sandbox-client-secret",
    }


def test_a_taken_port_is_told_with_a_remedy() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = run("--port", str(taken.getsockname()[1]))
    assert result.exit_code == 1
    assert "is in use. Choose another with --port; 0 takes a free one" in result.output


def test_time_passes(sandbox: Sandbox) -> None:
    passed = json.loads(run("advance", "12h", "--url", sandbox.url, "--json").output)
    assert passed["edited"] > 0
    assert len(sandbox.platform_consents()) == passed["decisions"] > 0
    refused = run("advance", "soon", "--url", sandbox.url)
    assert (refused.exit_code, "write for example 12h" in refused.output) == (1, True)


def test_people_decide(sandbox: Sandbox) -> None:
    before = len(sandbox.platform_consents())
    result = run("decide", "granted", "--count", "20", "--url", sandbox.url)
    assert result.output == "20 decisions: granted on whatsapp\n"
    statuses = [event["status"] for event in sandbox.platform_consents()[before:]]
    assert statuses == ["granted"] * 20
    assert run("decide", "perhaps", "--url", sandbox.url).exit_code == 2


def test_webhooks_are_switched_on_and_off(sandbox: Sandbox) -> None:
    where = ("--url", sandbox.url)
    address = "http://127.0.0.1:9/platform"
    on = run("webhooks", address, "--secret", "s3cret", "--delay", "2", *where)
    assert on.output == f"decisions are sent to {address}\n"
    told = json.loads(run("webhooks", *where, "--json").output)
    assert (told["url"], told["delay_seconds"], "secret" in told) == (address, 2.0, False)
    assert run("webhooks", "--off", *where).output == "decisions are sent nowhere\n"
    assert sandbox.control("GET", "platform/subscription") == {}


def test_a_rule_is_set_listed_and_cleared(sandbox: Sandbox) -> None:
    options = ("--after", "2", "--times", "0", "--detail", "wait_seconds=0.5")
    result = run("fault", "slow_answer", "GET field", *options, "--url", sandbox.url)
    text = "slow_answer on GET field, every time after 2 that pass"
    assert result.output == f"set: {text}\n"
    rule = sandbox.faults()[0]
    assert (rule["after"], rule["times"], rule["details"]) == (2, None, {"wait_seconds": 0.5})
    assert f"in force: {text}; met 0" in run("faults", "--url", sandbox.url).output
    assert run("clear", "--url", sandbox.url).output == "cleared: 1\n"
    assert sandbox.faults() == []


def test_every_fault_is_listed_with_its_sentence() -> None:
    assert json.loads(run("faults", "--json").output) == {"faults": FAULTS}
    words = " ".join(run("faults").output.split())
    assert [name for name in FAULTS if name not in words] == []


def test_a_misspelt_fault_is_told_with_the_nearest(sandbox: Sandbox) -> None:
    result = run("fault", "comit_then_drop", "--url", sandbox.url)
    assert result.exit_code == 1
    assert "Did you mean commit_then_drop?" in result.output
    assert sandbox.faults() == []


def test_a_sandbox_that_is_not_there_is_told_with_a_remedy() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        result = run("clear", "--url", url)
    assert result.exit_code == 1
    assert f"no sandbox answers at {url}. Start one with: emarsys-pipeline sandbox" in result.output
