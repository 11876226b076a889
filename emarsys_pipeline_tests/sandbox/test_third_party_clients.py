"""Two independent clients from PyPI work unchanged apart from the base URL.

They live in a virtual environment of their own, because their dependencies are old.
"""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
import venv
from collections import Counter
from pathlib import Path

import pytest

from emarsys_pipeline.sandbox.process import Sandbox
from emarsys_pipeline_tests.sandbox.calls import Caller

PYMARSYS = """
import json, sys
from pymarsys import Emarsys, SyncConnection
url, username, secret = sys.argv[1:]
client = Emarsys(SyncConnection(username, secret, url + "/"))
contacts = client.contacts
seen = [
    len(client.contact_fields.list("de")["data"]),
    client.contact_fields.list_choice(5, "de")["data"][0]["choice"],
    type(contacts.create({3: "one@example.org", 1: "Ada"})["data"]["id"]).__name__,
    len(contacts.create_many([{3: "two@example.org"}], 3)["data"]["ids"]),
    contacts.get_data(3, ["one@example.org"], [1])["data"]["result"][0]["1"],
    len(contacts.query(1, (3, "one@example.org"))["data"]["result"]),
    list(contacts.check_ids(3, ["two@example.org", "no"])["data"]["errors"]),
    type(contacts.update({3: "one@example.org", 31: 1}, 3)["data"]["id"]).__name__,
    len(contacts.update_many(3, [{3: "new@example.org"}], upsert=True)["data"]["ids"]),
    contacts.delete({3: "two@example.org"})["data"],
    contacts.get_internal_id(3, "one@example.org")["replyText"],
]
print(json.dumps(seen))
"""
TAP = """
import sys
import tap_emarsys
from tap_emarsys import http
http.Client.BASE_URL = sys.argv.pop(1)
tap_emarsys.main()
"""


PACKAGES = ("tap-emarsys", "pymarsys")


@pytest.fixture(scope="session")
def python(pytestconfig: pytest.Config) -> Path:
    """Return the interpreter of a virtual environment that holds both clients.

    It is kept in pytest's cache: several of their dependencies have to be built. The lock lets
    tests that run beside each other make it once.
    """
    cache = pytestconfig.cache
    assert cache is not None
    folder = cache.mkdir("third_party_clients")
    environment, is_complete = folder / "environment", folder / "complete"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_complete.exists():
            venv.create(environment, with_pip=False, clear=True)
            # One build environment for all of them: pip would otherwise make one for each.
            install(environment, "setuptools", "wheel")
            install(environment, "--no-build-isolation", *PACKAGES)
            is_complete.touch()
    return environment / "bin" / "python"


def install(environment: Path, *arguments: str) -> None:
    subprocess.run(  # noqa: S603 - pip, on packages named here
        [
            *(sys.executable, "-m", "pip", "--python", str(environment / "bin" / "python")),
            *("install", "--quiet", "--no-compile", "--disable-pip-version-check", *arguments),
        ],
        check=True,
        capture_output=True,
    )


def output(python: Path, script: str, *arguments: str) -> str:
    command = [str(python), "-W", "ignore", "-c", script, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - ours
    return done.stdout


@pytest.mark.slow
def test_pymarsys_reads_and_writes_contacts(sandbox: Sandbox, python: Path) -> None:
    text = output(python, PYMARSYS, sandbox.url, sandbox.username, sandbox.secret)
    assert json.loads(text) == [61, "Männlich", "int", 1, "Ada", 1, ["no"], "str", 1, "", "OK"]


@pytest.mark.slow
def test_tap_emarsys_reads_every_contact(
    sandbox: Sandbox, call: Caller, python: Path, tmp_path: Path
) -> None:
    config = tmp_path / "config.json"
    config.write_text(
        json.dumps(
            {
                "username": sandbox.username,
                "secret": sandbox.secret,
                "start_date": "2026-01-01",
            }
        )
    )
    arguments = (f"{sandbox.url}/api/v2", "--config", str(config))
    catalog = json.loads(output(python, TAP, *arguments, "--discover"))
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            entry["metadata"]["selected"] = stream["stream"] == "contacts"
        if stream["stream"] == "contacts":
            stream["metadata"].append({"breadcrumb": [], "metadata": {"selected": True}})
    selection = tmp_path / "catalog.json"
    selection.write_text(json.dumps(catalog))
    lines = output(python, TAP, *arguments, "--properties", str(selection)).splitlines()
    records = [line for line in map(json.loads, lines) if line["type"] == "RECORD"]
    held = int(call.data("GET", "settings")["totalContacts"])
    assert Counter(record["stream"] for record in records) == {"contacts": held}
