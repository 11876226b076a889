"""WSSE of API v2: the header parsed by name, never by position or case."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta

from emarsys_pipeline.sandbox.replies import ApiError
from emarsys_pipeline.sandbox.state import SERVER_ZONE, State

_PAIR = re.compile(r'([A-Za-z]+)\s*=\s*"([^"]*)"')
_INVALID = "Credentials are invalid"


def digest(nonce: str, created: str, secret: str) -> str:
    """Return the base64 of the hexadecimal text of the SHA-1, never of its raw bytes."""
    # SHA-1 is what the protocol asks for.
    hexadecimal = hashlib.sha1(f"{nonce}{created}{secret}".encode()).hexdigest()  # noqa: S324
    return base64.b64encode(hexadecimal.encode()).decode()


def parse_created(text: str) -> datetime | None:
    """Read Created; without an offset it is Vienna time. None when it is no ISO 8601 time."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=SERVER_ZONE)
    return moment.astimezone(UTC)


def authenticate(state: State, header: str | None, clock_skew_seconds: float) -> str:
    """Return the user name that a ``X-WSSE`` header proves; the server's clock may be skewed.

    Raises:
        ApiError: 401, with the text that Emarsys gives for the reason.
    """
    if not header or "usernametoken" not in header.lower():
        raise ApiError(401, 1, _INVALID)
    values: dict[str, str] = {name.lower(): value for name, value in _PAIR.findall(header)}
    username, nonce = values.get("username", ""), values.get("nonce", "")
    created = values.get("created", "")
    secrets: dict[str, str] = state.setting("wsse_secrets") or {}
    secret = secrets.get(username)
    expected = digest(nonce, created, secret or "")
    if secret is None or not hmac.compare_digest(
        expected.encode(), values.get("passworddigest", "").encode()
    ):
        raise ApiError(401, 1, _INVALID)
    moment = parse_created(created)
    skew = timedelta(seconds=state.setting("max_skew_seconds"))
    now = datetime.now(UTC) + timedelta(seconds=clock_skew_seconds)
    if moment is None or abs(now - moment) > skew:
        raise ApiError(401, 1, "Unauthorized Time frame is invalid")
    if state.setting("refuse_reused_nonces"):
        if nonce in state.used_nonces:
            raise ApiError(401, 1, _INVALID)
        state.used_nonces.add(nonce)
    return username
