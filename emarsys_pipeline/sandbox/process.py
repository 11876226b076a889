"""Runs the sandbox as a child process and gives a handle on it, for tests and the demo."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from emarsys_pipeline.sandbox.platform_api import API_KEY, PATH
from emarsys_pipeline.sandbox.serve import Credentials

_START_SECONDS = 120.0
_STOP_SECONDS = 10.0
_CONTROL_SECONDS = 300.0


class SandboxStartError(RuntimeError):
    """The sandbox's process ended, or did not answer in time."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A running sandbox: where it is, what to sign in with, and its control API as methods."""

    url: str
    username: str
    secret: str
    client_id: str
    client_secret: str
    process_id: int

    @property
    def token_url(self) -> str:
        """The OAuth2 token endpoint."""
        return f"{self.url}/oauth2/token"

    @property
    def platform_url(self) -> str:
        """Where the messaging platform takes contact upserts."""
        return self.url + PATH

    @property
    def platform_key(self) -> str:
        """The API key of the messaging platform."""
        return API_KEY

    def control(self, method: str, path: str, document: dict[str, Any] | None = None) -> Any:
        """Call the control API: a GET's document is its query. JSON lines come as a list."""
        is_query = method == "GET"
        reply = requests.request(
            method,
            f"{self.url}/control/{path}",
            params=document if is_query else None,
            json=None if is_query else document or {},
            timeout=_CONTROL_SECONDS,
        )
        if not reply.ok:
            raise ValueError(f"{method} /control/{path}: {reply.status_code} {reply.text}")
        if reply.headers["Content-Type"].startswith("application/x-ndjson"):
            return [json.loads(line) for line in reply.content.split(b"\n") if line]
        return reply.json()

    def advance(self, duration: str) -> dict[str, Any]:
        """Let time pass, for example ``12h``; return counts of what happened."""
        return dict(self.control("POST", "advance", {"duration": duration}))

    def set_fault(self, name: str, endpoint: str = "*", **rule: Any) -> None:
        """Add a fault rule: segment, export, after, times and the fault's own details."""
        self.control("POST", "faults", {"name": name, "endpoint": endpoint, **rule})

    def clear_faults(self) -> None:
        """Forget all fault rules."""
        self.control("DELETE", "faults")

    def faults(self) -> list[dict[str, Any]]:
        """Return the fault rules with how many requests each saw and met."""
        return list(self.control("GET", "faults"))

    def fault_names(self) -> dict[str, str]:
        """Return every fault with a sentence on it."""
        return dict(self.control("GET", "faults/names"))

    def switch(self, **switches: Any) -> None:
        """Set switches, for example ``export_delay_seconds=1``."""
        self.control("POST", "switches", switches)

    def set_permissions(
        self, *, on: Sequence[str] = (), off: Sequence[str] = (), credential: str | None = None
    ) -> None:
        """Switch permissions of a credential; by default of both of the sandbox's own."""
        for name in [credential] if credential else [self.username, self.client_id]:
            document = {"credential": name, "on": list(on), "off": list(off)}
            self.control("POST", "permissions", document)

    def add_credentials(self, **credentials: str) -> None:
        """Accept further credentials: ``username`` and ``secret``, ``client_id`` and ..."""
        self.control("POST", "credentials", credentials)

    def revoke_tokens(self) -> None:
        """Make every bearer token that was issued so far invalid."""
        self.control("POST", "tokens/revoke")

    def requests(self, after: int = 0) -> list[dict[str, Any]]:
        """Return the requests received, oldest first (the last 10,000)."""
        return list(self.control("GET", "requests", {"after": after}))

    def log(self, **narrow: Any) -> list[dict[str, Any]]:
        """Return values written to contacts in order; contact_id, field and after narrow them."""
        return list(self.control("GET", "log", narrow))

    def field_values(self, field: str, *, only_set: bool = False) -> dict[str, str | None]:
        """Return what the account holds in a field, by contact id."""
        query = {"field": field, **({"only_set": "1"} if only_set else {})}
        rows = self.control("GET", "contacts/values", query)
        return {row["contact_id"]: row["value"] for row in rows}

    def import_silently(self, contacts: dict[str, dict[str, Any]]) -> None:
        """Write field values by contact id in a way that getchanges does not report."""
        self.control("POST", "contacts/import", {"contacts": contacts})

    def move_members(
        self, segment: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> None:
        """Put contacts into a segment or take them out."""
        document = {"segment": segment, "add": list(add), "remove": list(remove)}
        self.control("POST", "segments/move", document)

    def event_triggers(self) -> list[dict[str, Any]]:
        """Return the external event triggers that were received."""
        return list(self.control("GET", "events/triggers"))

    def truth(self) -> dict[str, list[dict[str, Any]]]:
        """Return who is the same person, and each person's newest decision."""
        return {
            "persons": self.control("GET", "truth/persons"),
            "consents": self.control("GET", "truth/consents"),
        }

    def platform_contacts(self) -> list[dict[str, Any]]:
        """Return the messaging platform's contacts."""
        return list(self.control("GET", "platform/contacts"))

    def platform_profiles(self) -> dict[str, dict[str, Any]]:
        """Return what contact upserts made of each contact, by external reference."""
        rows = self.control("GET", "platform/profiles")
        return {row["external_reference_id"]: row for row in rows}

    def platform_upserts(self, after: int = 0) -> list[dict[str, Any]]:
        """Return the contact upserts applied, in order."""
        return list(self.control("GET", "platform/upserts", {"after": after}))

    def platform_consents(self, since: str | None = None) -> list[dict[str, Any]]:
        """Return the decisions made on the messaging platform, in order."""
        query = None if since is None else {"since": since}
        return list(self.control("GET", "platform/consents", query))

    def decide(
        self,
        status: str,
        *,
        contact_ids: Sequence[str] | None = None,
        count: int | None = None,
        **more: Any,
    ) -> list[dict[str, Any]]:
        """Let people decide on the platform: those named, or ``count`` chosen ones."""
        who = {"count": count} if contact_ids is None else {"contact_ids": list(contact_ids)}
        reply = self.control("POST", "platform/decide", {"status": status, **who, **more})
        return list(reply["events"])

    def send_consents(self, url: str, **delivery: Any) -> dict[str, int]:
        """Send consent webhooks; see ``webhooks.Delivery`` for what can be asked for."""
        return dict(self.control("POST", "platform/webhooks", {"url": url, **delivery}))

    def subscribe(self, url: str, **delivery: Any) -> None:
        """Send every further decision to a URL at once; see ``webhooks.Delivery``."""
        self.control("POST", "platform/subscription", {"url": url, **delivery})

    def unsubscribe(self) -> None:
        """Send no decisions by themselves any more."""
        self.control("DELETE", "platform/subscription")

    def send_automation(
        self, url: str, documents: Sequence[dict[str, Any]], **delivery: Any
    ) -> dict[str, int]:
        """Send webhooks of an Emarsys automation, one document a request."""
        document = {"url": url, "documents": list(documents), **delivery}
        return dict(self.control("POST", "automation/webhooks", document))


def sandbox_at(url: str, credentials: Credentials | None = None) -> Sandbox:
    """Return a handle on a sandbox that somebody else started; its process id is 0."""
    chosen = credentials or Credentials()
    return Sandbox(
        url.rstrip("/"),
        chosen.username,
        chosen.secret,
        chosen.client_id,
        chosen.client_secret,
        0,
    )


def _wait_until_ready(process: subprocess.Popen[str]) -> str:
    """Return the URL that the child announces, once it answers there."""
    line = process.stdout.readline() if process.stdout is not None else ""
    if not line:
        raise SandboxStartError(f"the sandbox ended with status {process.wait(_STOP_SECONDS)}")
    url = str(json.loads(line)["url"])
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        try:
            if requests.get(f"{url}/control/info", timeout=_CONTROL_SECONDS).ok:
                return url
        except requests.ConnectionError:
            time.sleep(0.05)
    raise SandboxStartError(f"the sandbox at {url} did not answer in {_START_SECONDS:.0f} s")


@contextmanager
def running_sandbox(
    *,
    contacts: int = 2_000,
    seed: int = 1,
    state: Path | None = None,
    port: int = 0,
    has_rate_limit: bool = False,
    credentials: Credentials | None = None,
) -> Iterator[Sandbox]:
    """Run a sandbox for the duration of a ``with`` block.

    Args:
        contacts: how many contacts a new account gets.
        seed: the same seed gives the same contacts.
        state: file of the account, kept afterwards; None uses a temporary one.
        port: 0 chooses a free one.
        has_rate_limit: whether more than 1000 requests a minute are refused.
        credentials: what clients sign in with.
    """
    chosen = credentials or Credentials()
    command = [
        *(sys.executable, "-m", "emarsys_pipeline.sandbox", "--json"),
        *("--stop-at-end-of-input", "--port", str(port)),
        *("--contacts", str(contacts), "--seed", str(seed)),
        *("--username", chosen.username, "--secret", chosen.secret),
        *("--client-id", chosen.client_id, "--client-secret", chosen.client_secret),
        *(() if state is None else ("--state", str(state))),
        *(() if has_rate_limit else ("--no-rate-limit",)),
    ]
    with subprocess.Popen(  # noqa: S603 - ours
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # Ctrl-C is for the caller, who ends this child in its own time; if the caller dies, the
        # child sees the end of its input.
        start_new_session=True,
    ) as process:
        try:
            yield Sandbox(
                _wait_until_ready(process),
                chosen.username,
                chosen.secret,
                chosen.client_id,
                chosen.client_secret,
                process.pid,
            )
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
