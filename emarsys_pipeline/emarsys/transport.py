"""The one way to Emarsys: every request is signed, sent, logged, read and retried here."""

import json
import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, NewConnectionError

from emarsys_pipeline.emarsys.auth import Credentials, Timeout
from emarsys_pipeline.emarsys.errors import (
    AuthenticationError,
    EmarsysError,
    NoReplyError,
)
from emarsys_pipeline.emarsys.masking import QueryMask
from emarsys_pipeline.emarsys.rate_limit import RateLimiter, RateLimitStatus
from emarsys_pipeline.emarsys.replies import (
    Reply,
    clock_skew,
    rate_limit_status,
    read_reply,
)
from emarsys_pipeline.emarsys.retries import Attempts, RetrySettings

logger = logging.getLogger(__name__)

T = TypeVar("T")

HEADERS = {
    "Accept": "application/json, text/csv",
    "Content-Type": "application/json",
    "User-Agent": "emarsys_pipeline",
}
MAX_BODY_TIMEOUTS = 5  # a JSON body may take this many read timeouts in all
BODY_PIECE_BYTES = 1 << 16
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})


def _nothing() -> None:
    """Nothing has to be looked at before sending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call, without its signature.

    Attributes:
        method: the HTTP method.
        path: below ``/api/vN/``; never holds contact values, so that it can be logged.
        is_repeatable: whether sending it twice does no harm.
        query: parameters of the address; may hold contact values, so it is never logged.
        content: JSON from ``json_content``, None for no body; never logged.
        has_envelope: whether the reply is wrapped in replyCode, replyText and data.
        before_sending: called before each attempt, when nothing but the network lies ahead; what
            it raises ends the call.
    """

    method: str
    path: str
    is_repeatable: bool
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    content: bytes | None = field(default=None, repr=False)
    has_envelope: bool = True
    before_sending: Callable[[], None] = field(default=_nothing, repr=False)


def json_content(body: object) -> bytes:
    """``body`` as compact JSON in UTF-8; a ValueError where JSON has no such value."""
    return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


class NoImplicitSignIn(requests.auth.AuthBase):
    """Keeps requests from replacing our headers by an entry of the user's .netrc file."""

    def __call__(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        """Leave the request as it is."""
        return prepared


class Transport:
    """Sends requests of one API user; safe to share between threads, one session for each."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        base_url: str,
        rate_limiter: RateLimiter,
        retries: RetrySettings,
        timeout: Timeout,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        randomness: random.Random | None = None,
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"the base URL {base_url!r} must begin with https:// and name a host")
        if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
            logger.warning("requests to %s are not encrypted; use https", parts.hostname)
        self.credentials = credentials
        self.base_url = base_url.rstrip("/")
        self.rate_limiter = rate_limiter
        self.retries = retries
        self.timeout = timeout
        self.calls = 0
        self.bytes_received = 0
        self.clock_skew_seconds: float | None = None
        self.rate_limit: RateLimitStatus | None = None
        self._limit_key = f"{parts.netloc} {credentials.identity}"
        self.now = now
        self._sleep, self._clock = sleep, clock
        self._randomness = randomness or random.SystemRandom()
        self._local = threading.local()
        self._lock = threading.Lock()
        self._sessions: list[requests.Session] = []
        urllib3_logger = logging.getLogger("urllib3.connectionpool")
        if QueryMask(parts.hostname) not in urllib3_logger.filters:
            urllib3_logger.addFilter(QueryMask(parts.hostname))

    def call(self, request: Request) -> Any:
        """The ``data`` of the reply (the whole document where there is no envelope).

        Raises:
            EmarsysError: see ``errors``; after all retries.
        """
        return self.reply(request).data

    def reply(self, request: Request) -> Reply:
        """The successful reply, with its status; raises the same as ``call``."""
        return self.send(request, self._read_json)

    def send(
        self,
        request: Request,
        read: Callable[[Request, requests.Response], T],
        *,
        timeout: Timeout | None = None,
    ) -> T:
        """Send until ``read`` accepts the reply or the retry table says stop."""
        attempts = Attempts(self.retries, request.is_repeatable, self._clock, self._randomness)
        has_renewed = False
        while True:
            signature: dict[str, str] = {}
            try:
                return self._attempt(request, read, signature, timeout or self.timeout)
            except AuthenticationError:
                # a refused token means that nothing was done, so a write may go again too
                if has_renewed or not signature or not self.credentials.renew(signature):
                    raise
                has_renewed = True
            except EmarsysError as error:
                wait_seconds = attempts.wait_after(error)
                if wait_seconds is None:
                    raise
                logger.info(
                    "%s %s: %s, again in %.1f s",
                    request.method,
                    request.path,
                    type(error).__name__,
                    wait_seconds,
                )
                self._sleep(wait_seconds)

    def count_bytes(self, count: int) -> None:
        """Add to ``bytes_received``."""
        with self._lock:
            self.bytes_received += count

    def close(self) -> None:
        """Close all sessions."""
        with self._lock:
            for session in self._sessions:
                session.close()
            self._sessions.clear()
        self._local = threading.local()

    def _attempt(
        self,
        request: Request,
        read: Callable[[Request, requests.Response], T],
        signature: dict[str, str],
        timeout: Timeout,
    ) -> T:
        session = self._session()
        slot = self.rate_limiter.acquire(self._limit_key)
        response = None
        started = self._clock()
        try:
            # signed after the wait for the slot, so that the timestamp is fresh
            signature.update(self.credentials.headers(session, self.timeout))
            request.before_sending()
            response = self._open(session, request, signature, timeout)
        finally:
            self._release(slot, response)
        with response:
            try:
                return read(request, response)
            except requests.RequestException as error:
                raise self._no_reply(request, error) from None
            finally:
                logger.debug(
                    "%s %s -> HTTP %d in %.2f s",
                    request.method,
                    request.path,
                    response.status_code,
                    self._clock() - started,
                )

    def _open(
        self,
        session: requests.Session,
        request: Request,
        signature: Mapping[str, str],
        timeout: Timeout,
    ) -> requests.Response:
        url = f"{self.base_url}/api/{self.credentials.api_version}/{request.path}"
        if request.query:
            url += f"?{urlencode(request.query)}"
        with self._lock:
            self.calls += 1
        try:
            return session.request(
                request.method,
                url,
                data=request.content,
                headers={**HEADERS, **signature},
                timeout=timeout,
                allow_redirects=False,  # a redirect would drop the body and leak the signature
                stream=True,
            )
        except requests.RequestException as error:
            raise self._no_reply(request, error) from None

    def _no_reply(self, request: Request, error: requests.RequestException) -> NoReplyError:
        """Our error for one of requests, whose own message holds the query: it is not chained."""
        cause = getattr(error.args[0], "reason", None) if error.args else None
        was_sent = not isinstance(error, requests.ConnectTimeout) and not isinstance(
            cause, NewConnectionError
        )
        return NoReplyError(
            method=request.method,
            path=request.path,
            reason=type(error).__name__,
            was_sent=was_sent,
        )

    def _release(self, slot: int, response: requests.Response | None) -> None:
        """Count the request in the rate limit and remember what the headers say."""
        if response is None:
            self.rate_limiter.release(self._limit_key, slot, refused=False)
            return
        status = rate_limit_status(response, self.now())
        skew = clock_skew(response, self.now())
        with self._lock:
            self.rate_limit = status
            self.clock_skew_seconds = self.clock_skew_seconds if skew is None else skew
        refused = response.status_code == requests.codes.too_many_requests
        self.rate_limiter.release(self._limit_key, slot, status, refused=refused)

    def _read_json(self, request: Request, response: requests.Response) -> Reply:
        content = self._read_body(request, response)
        self.count_bytes(len(content))
        return read_reply(
            response,
            content,
            method=request.method,
            path=request.path,
            has_envelope=request.has_envelope,
            now=self.now(),
        )

    def _read_body(self, request: Request, response: requests.Response) -> bytes:
        """The whole body; the read timeout alone would let a trickle of bytes go on for ever."""
        body = bytearray()
        _, read_timeout = self.timeout
        deadline = self._clock() + read_timeout * MAX_BODY_TIMEOUTS
        try:
            while piece := response.raw.read1(BODY_PIECE_BYTES, decode_content=True):
                body += piece
                if self._clock() > deadline:
                    raise NoReplyError(
                        method=request.method, path=request.path, reason="SlowBody", was_sent=True
                    )
        except HTTPError as error:
            raise NoReplyError(
                method=request.method,
                path=request.path,
                reason=type(error).__name__,
                was_sent=True,
            ) from None
        return bytes(body)

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            session.auth = NoImplicitSignIn()
            # retries are ours alone: urllib3 would repeat writes
            adapter = HTTPAdapter(max_retries=0)
            session.mount("https://", adapter)
            session.mount("http://", adapter)
            self._local.session = session
            with self._lock:
                self._sessions.append(session)
        return session
