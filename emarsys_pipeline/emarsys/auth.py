"""The two ways to sign in: WSSE on ``/api/v2`` and OAuth2 client credentials on ``/api/v3``.

WSSE is switched off by Emarsys on 2026-12-31. Both classes mask their secrets in ``repr``.
"""

import base64
import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import ClassVar, Protocol

import requests

from emarsys_pipeline.emarsys.errors import (
    AuthenticationError,
    NoReplyError,
    RateLimitedError,
    ServerError,
    UnreadableReplyError,
)

DEFAULT_TOKEN_URL = "https://auth.emarsys.net/oauth2/token"  # noqa: S105 an address
WSSE_ENDS_ON = date(2026, 12, 31)
RENEWAL_MARGIN_SECONDS = 60.0
NONCE_BYTES = 16
TOKEN_PATH = "oauth2/token"  # noqa: S105 how errors name the call

Timeout = tuple[float, float]


class Credentials(Protocol):
    """What the transport needs from a way to sign in."""

    @property
    def api_version(self) -> str:
        """``v2`` or ``v3``, part of every path."""

    @property
    def identity(self) -> str:
        """Who signs in, without the secret: what the rate limit is counted by."""

    def headers(self, session: requests.Session, timeout: Timeout) -> Mapping[str, str]:
        """The headers that sign one attempt; may fetch a token."""

    def renew(self, used: Mapping[str, str]) -> bool:
        """Forget what made ``used`` after a 401; whether new headers may be accepted."""


@dataclass(frozen=True, slots=True)
class WsseCredentials:
    """An API user's name and secret."""

    username: str
    secret: str = field(repr=False)
    now: Callable[[], datetime] = field(
        default=lambda: datetime.now(UTC), repr=False, compare=False, kw_only=True
    )

    api_version: ClassVar[str] = "v2"

    @property
    def identity(self) -> str:
        """The API user's name."""
        return self.username

    def headers(self, session: requests.Session, timeout: Timeout) -> Mapping[str, str]:  # noqa: ARG002 nothing is fetched
        """``X-WSSE`` with a fresh nonce and timestamp."""
        nonce = secrets.token_hex(NONCE_BYTES)
        created = self.now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        digest = wsse_digest(nonce, created, self.secret)
        return {
            "X-WSSE": (
                f'UsernameToken Username="{self.username}", PasswordDigest="{digest}", '
                f'Nonce="{nonce}", Created="{created}"'
            )
        }

    def renew(self, used: Mapping[str, str]) -> bool:  # noqa: ARG002 nothing is cached
        """Nothing to renew: every attempt is signed anew."""
        return False


def wsse_days_left(today: date) -> int:
    """Days until WSSE is switched off; negative afterwards."""
    return (WSSE_ENDS_ON - today).days


def wsse_digest(nonce: str, created: str, secret: str) -> str:
    """Base64 of the 40 lower-case hex characters of the SHA-1, not of its 20 bytes."""
    digest = hashlib.sha1((nonce + created + secret).encode(), usedforsecurity=False).hexdigest()
    return base64.b64encode(digest.encode()).decode()


@dataclass(frozen=True, slots=True)
class _Token:
    value: str = field(repr=False)
    renew_at: float  # on the monotonic clock


@dataclass(slots=True)
class OAuth2Credentials:
    """A client id and secret, with the token got for them, shared by all threads.

    Accounts that keep their credentials in their own SAP Cloud Identity tenant have another
    ``token_url``.
    """

    client_id: str
    client_secret: str = field(repr=False)
    token_url: str = DEFAULT_TOKEN_URL
    clock: Callable[[], float] = field(default=time.monotonic, repr=False, kw_only=True)
    _token: _Token | None = field(default=None, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    api_version: ClassVar[str] = "v3"

    @property
    def identity(self) -> str:
        """The client id."""
        return self.client_id

    def headers(self, session: requests.Session, timeout: Timeout) -> Mapping[str, str]:
        """``Authorization`` with a token that is valid for at least the renewal margin."""
        with self._lock:
            if self._token is None or self.clock() >= self._token.renew_at:
                self._token = self._fetch(session, timeout)
            return {"Authorization": f"Bearer {self._token.value}"}

    def renew(self, used: Mapping[str, str]) -> bool:
        """Forget the token of ``used``, unless another thread has already replaced it."""
        with self._lock:
            if self._token and used.get("Authorization") == f"Bearer {self._token.value}":
                self._token = None
        return True

    def _fetch(self, session: requests.Session, timeout: Timeout) -> _Token:
        asked_at = self.clock()
        try:
            response = session.post(
                self.token_url,
                data={"grant_type": "client_credentials"},
                headers={"Accept": "application/json", "Authorization": self._basic()},
                timeout=timeout,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            # nothing of the caller's request was sent, so a write may safely be repeated
            raise NoReplyError(
                method="POST", path=TOKEN_PATH, reason=type(error).__name__, was_sent=False
            ) from None
        _refuse_failed_token(response)
        try:
            document = response.json()
            value = str(document["access_token"])
            lifetime = float(document.get("expires_in", 0))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UnreadableReplyError(
                method="POST",
                path=TOKEN_PATH,
                http_status=response.status_code,
                reason=f"held no access token ({type(error).__name__})",
            ) from None
        margin = min(RENEWAL_MARGIN_SECONDS, lifetime / 2)
        return _Token(value, asked_at + lifetime - margin)

    def _basic(self) -> str:
        pair = f"{self.client_id}:{self.client_secret}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"


def _refuse_failed_token(response: requests.Response) -> None:
    status = response.status_code
    if status == requests.codes.ok:
        return
    if status == requests.codes.too_many_requests:
        raise RateLimitedError(method="POST", path=TOKEN_PATH)
    if status >= requests.codes.server_error:
        raise ServerError(method="POST", path=TOKEN_PATH, http_status=503)
    raise AuthenticationError(
        method="POST",
        path=TOKEN_PATH,
        http_status=status,
        reply_text="no token for this client",
        remedy="Check client id, client secret and token_url of this account.",
    )
