"""Reads a reply: HTTP status first, then reply code, then data; the two decided together."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import requests

from emarsys_pipeline.emarsys.errors import (
    AuthenticationError,
    BusyError,
    ExportAlreadyRunningError,
    NotYetError,
    PermissionMissingError,
    RateLimitedError,
    RejectedRequestError,
    ReplyError,
    ServerError,
    UnreadableReplyError,
)
from emarsys_pipeline.emarsys.permission_list import permissions_for
from emarsys_pipeline.emarsys.rate_limit import RateLimitStatus

OK = 0
EXPORT_ALREADY_RUNNING = 4001
EXPORT_IN_PROGRESS = 4005
ALLOWED_SKEW_SECONDS = 300.0  # WSSE timestamps further off are refused
DEFAULT_RATE_LIMIT_WAIT_SECONDS = 60.0
MAX_RATE_LIMIT_WAIT_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Reply:
    """A successful reply; ``data`` may be any JSON value."""

    http_status: int
    reply_code: int
    data: Any


def read_reply(
    response: requests.Response,
    content: bytes,
    *,
    method: str,
    path: str,
    has_envelope: bool = True,
    now: float,
) -> Reply:
    """The reply in ``content``, whatever its content type says.

    Raises:
        ReplyError: Emarsys refused.
        UnreadableReplyError: a success that is not the documented JSON.
    """
    status = response.status_code
    document, reason = _parse(content)
    code = _reply_code(document)
    succeeded = 200 <= status < 300
    if succeeded and document is not None and not has_envelope and code is None:
        return Reply(status, OK, document)
    if succeeded and code == OK and isinstance(document, dict):
        return Reply(status, OK, document.get("data"))
    if succeeded and code is None:
        raise UnreadableReplyError(
            method=method,
            path=path,
            http_status=status,
            reason=reason or "its JSON holds no reply code",
        )
    text = str(document.get("replyText") or "") if isinstance(document, dict) else ""
    raise _refusal(response, method=method, path=path, reply_code=code, reply_text=text, now=now)


def _refusal(
    response: requests.Response,
    *,
    method: str,
    path: str,
    reply_code: int | None,
    reply_text: str,
    now: float,
) -> ReplyError:
    """The error for a reply that is no success."""
    status = response.status_code
    facts: dict[str, Any] = {
        "method": method,
        "path": path,
        "http_status": status,
        "reply_code": reply_code,
        "reply_text": reply_text,
    }
    if status == requests.codes.unauthorized:
        skew = clock_skew(response, now)
        return AuthenticationError(**facts, clock_skew_seconds=skew, remedy=_skew_remedy(skew))
    if status == requests.codes.forbidden:
        return PermissionMissingError(**facts, remedy=_permission_remedy(method, path))
    if status == requests.codes.too_many_requests:
        return RateLimitedError(**facts, wait_seconds=rate_limit_wait(response, now))
    if status == requests.codes.locked:
        return BusyError(**facts)
    if status >= requests.codes.server_error:
        return ServerError(**facts)
    if status == requests.codes.accepted or (
        status == requests.codes.not_found and reply_code == EXPORT_IN_PROGRESS
    ):
        return NotYetError(**facts)
    if reply_code == EXPORT_ALREADY_RUNNING:
        return ExportAlreadyRunningError(**facts)
    return RejectedRequestError(**facts)


def clock_skew(response: requests.Response, now: float) -> float | None:
    """Seconds that ``now`` is ahead of the server's ``Date``; None without that header."""
    date = _http_date(response.headers.get("Date"))
    return None if date is None else now - date


def rate_limit_status(response: requests.Response, now: float) -> RateLimitStatus:
    """The rate limit headers; the reset is told in seconds from now, by the server's own clock."""
    headers = response.headers
    reset = _number(headers.get("X-RateLimit-Reset"))
    # Date is cut to the second, so this is at most a second too long, never too short
    server_now = _http_date(headers.get("Date")) or now
    refused = response.status_code == requests.codes.too_many_requests
    return RateLimitStatus(
        limit=_integer(headers.get("X-RateLimit-Limit")),
        remaining=_integer(headers.get("X-RateLimit-Remaining")),
        reset_seconds=(
            rate_limit_wait(response, now)
            if refused
            else None
            if reset is None
            else max(reset - server_now, 0.0)
        ),
    )


def rate_limit_wait(response: requests.Response, now: float) -> float:
    """Seconds until a 429 is over: Retry-After in both its forms, else the reset, else a minute."""
    server_now = _http_date(response.headers.get("Date")) or now
    retry_after = response.headers.get("Retry-After")
    seconds = _number(retry_after)
    if seconds is None and (moment := _http_date(retry_after)) is not None:
        seconds = moment - server_now
    if seconds is None and (reset := _number(response.headers.get("X-RateLimit-Reset"))):
        seconds = reset - server_now
    if seconds is None:
        seconds = DEFAULT_RATE_LIMIT_WAIT_SECONDS
    return min(max(seconds, 0.0), MAX_RATE_LIMIT_WAIT_SECONDS)


def _parse(content: bytes) -> tuple[Any, str]:
    """The JSON value and, when there is none, why."""
    if not content.strip():
        return None, "its body is empty"
    try:
        return json.loads(content.decode("utf-8-sig")), ""
    except ValueError:
        looks_like_html = content.lstrip()[:1] == b"<"
        return None, "it is HTML instead of JSON" if looks_like_html else "it is not JSON"


def _reply_code(document: object) -> int | None:
    return _integer(document.get("replyCode")) if isinstance(document, dict) else None


def _integer(value: object) -> int | None:
    number = _number(value)
    return None if number is None else int(number)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _http_date(value: str | None) -> float | None:
    if not value:
        return None
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp()


def _permission_remedy(method: str, path: str) -> str | None:
    names = permissions_for(method, path)
    if not names:
        return None
    return (
        f"Switch {' and '.join(names)} on for this API user under Security Settings > API "
        "Credentials; a change can take some minutes to act."
    )


def _skew_remedy(skew: float | None) -> str | None:
    if skew is None or abs(skew) < ALLOWED_SKEW_SECONDS:
        return None
    direction = "ahead of" if skew > 0 else "behind"
    server_time = datetime.now(UTC).timestamp() - skew
    return (
        f"This machine's clock is {abs(skew) / 60:.0f} minutes {direction} Emarsys's "
        f"({datetime.fromtimestamp(server_time, UTC):%Y-%m-%d %H:%M} UTC there; 5 minutes are "
        "allowed): set the clock right, for example with NTP."
    )
