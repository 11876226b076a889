"""Signs and sends requests, independently of the client and of the sandbox's own code."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import requests

from emarsys_pipeline.sandbox.process import Sandbox


def wsse_header(username: str, secret: str, *, created: str | None = None) -> str:
    nonce = secrets.token_hex(16)
    created = created or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    hexadecimal = hashlib.sha1(f"{nonce}{created}{secret}".encode()).hexdigest()  # noqa: S324
    digest = base64.b64encode(hexadecimal.encode()).decode()
    return (
        f'UsernameToken Username="{username}", PasswordDigest="{digest}", Nonce="{nonce}",'
        f' Created="{created}"'
    )


@dataclass(frozen=True)
class Caller:
    """Calls API v2 with WSSE."""

    sandbox: Sandbox

    def __call__(
        self, method: str, path: str, document: Any = None, **more: Any
    ) -> requests.Response:
        header = wsse_header(self.sandbox.username, self.sandbox.secret)
        return requests.request(
            method,
            f"{self.sandbox.url}/api/v2/{path}",
            json=document,
            headers={"X-WSSE": header},
            timeout=30,
            **more,
        )

    def data(self, method: str, path: str, document: Any = None) -> Any:
        """Return the data of an answer that must be a success."""
        reply = self(method, path, document)
        assert (reply.status_code, reply.json()["replyCode"]) == (200, 0), reply.text
        return reply.json()["data"]

    def export(self, path: str, **order: Any) -> int:
        """Start an export, wait until it is done and return its id."""
        document = {"distribution_method": "local", "contact_fields": [3], **order}
        export_id = int(self.data("POST", path, document)["id"])
        for _ in range(200):
            if self.data("GET", f"export/{export_id}")["status"] == "done":
                return export_id
            time.sleep(0.02)
        raise AssertionError(f"export {export_id} was not done in time")

    def rows(self, export_id: int) -> list[list[str]]:
        """Return the records of an export, the header first."""
        reply = self("GET", f"export/{export_id}/data")
        assert reply.status_code == 200, reply.text
        return list(csv.reader(io.StringIO(reply.content.decode(), newline="")))


def refusal(reply: requests.Response) -> tuple[int, int, str]:
    """Return HTTP status, reply code and text of a refusal."""
    document = reply.json()
    assert document["data"] == ""
    return reply.status_code, document["replyCode"], document["replyText"]
