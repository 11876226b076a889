"""The one way to the messaging platform: every upsert is sent and its answer read here.

The contact API is charles's, as its help article publishes it: ``PUT .../api/v1beta/contacts`` with
``x-api-key``. Bodies of answers, error codes and limits are not public, so only the status is
trusted: 2xx with an empty or JSON body is an acceptance, and everything else fails in one of the
ways of ``errors``. Nothing is repeated here; who sends decides, contact by contact.
"""

import email.utils
import json
import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import requests
from urllib3.exceptions import HTTPError, NewConnectionError

from emarsys_pipeline.messaging.errors import (
    AccessRefusedError,
    ContactRefusedError,
    MessagingError,
    NoAnswerError,
    PlatformFailedError,
    ThrottledError,
    UnreachableError,
    WrongAddressError,
)
from emarsys_pipeline.messaging.masking import mask_values

logger = logging.getLogger(__name__)

MAX_ANSWER_BYTES = 1 << 16
_LONGEST_CONNECT_SECONDS = 10.0
_REFUSED_BEFORE_WORK = frozenset({501, 503})


class _NoImplicitSignIn(requests.auth.AuthBase):
    """Keeps requests from adding an entry of the user's .netrc file."""

    def __call__(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        return prepared


class MessagingClient:
    """Sends contact upserts; safe to share between threads, one session for each.

    Args:
        url: the address that takes upserts.
        api_key: sent as ``x-api-key``, and nowhere shown.
        timeout_seconds: how long to wait for an answer, or for its next piece.
        now: the clock, for waits that the platform names as a date.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        timeout_seconds: float = 30.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.url = url
        self._api_key = api_key
        self._timeout = (min(timeout_seconds, _LONGEST_CONNECT_SECONDS), timeout_seconds)
        self._now = now
        self._local = threading.local()
        self._lock = threading.Lock()
        self._sessions: list[requests.Session] = []

    def __repr__(self) -> str:
        return f"MessagingClient({self.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            while self._sessions:
                self._sessions.pop().close()

    def upsert_contact(self, body: bytes) -> int:
        """Tell the platform a contact's whole content, by its external reference id.

        Args:
            body: a JSON object in the shape of the contact API.

        Returns:
            The HTTP status of the acceptance.

        Raises:
            MessagingError: see ``errors``.
        """
        try:
            with self._session().put(
                self.url,
                data=body,
                timeout=self._timeout,
                # A redirected PUT would carry the key to another address, or become a GET.
                allow_redirects=False,
                stream=True,
            ) as answer:
                content = answer.raw.read(MAX_ANSWER_BYTES, decode_content=True)
        except (requests.RequestException, HTTPError, OSError) as error:
            raise _failure(error) from None
        if answer.ok and not 300 <= answer.status_code < 400:
            _require_json(answer, content)
            return answer.status_code
        text = mask_values(content.decode("utf-8", "replace").strip(), body)
        error_of_answer = _refusal(answer.status_code, text, self._wait_seconds(answer))
        logger.debug("contact upsert answered HTTP %d", answer.status_code)
        raise error_of_answer

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            session.auth = _NoImplicitSignIn()
            session.headers.update(
                {
                    "Accept": "application/json",
                    "Content-Type": "application/json",
                    "User-Agent": "emarsys_pipeline",
                    "x-api-key": self._api_key,
                }
            )
            self._local.session = session
            with self._lock:
                self._sessions.append(session)
        return session

    def _wait_seconds(self, answer: requests.Response) -> float | None:
        """``Retry-After`` in seconds, from either of its forms."""
        text = answer.headers.get("Retry-After", "").strip()
        if text.isascii() and text.isdigit():
            return float(text)
        try:
            moment = email.utils.parsedate_to_datetime(text)
        except ValueError:
            return None
        return max(moment.timestamp() - self._now(), 0.0)


def _failure(error: Exception) -> MessagingError:
    """Without the cause's text, which may repeat the request."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    is_unsent = isinstance(reason, NewConnectionError) or isinstance(
        error,
        requests.ConnectTimeout | requests.exceptions.SSLError | requests.exceptions.ProxyError,
    )
    if is_unsent:
        return UnreachableError(f"could not be sent ({type(error).__name__})")
    return NoAnswerError(f"got no whole answer ({type(error).__name__})")


def _require_json(answer: requests.Response, content: bytes) -> None:
    """An acceptance is empty or JSON: a page of HTML is some other server's."""
    if not content.strip():
        return
    try:
        json.loads(content)
    except ValueError:
        raise NoAnswerError(
            "got an answer that is no JSON", http_status=answer.status_code
        ) from None


def _refusal(status: int, text: str, wait_seconds: float | None) -> MessagingError:
    reason = f"was answered with HTTP {status}"
    match status:
        case 429:
            kind: type[MessagingError] = ThrottledError
        case 401 | 403:
            kind = AccessRefusedError
        case 404 | 405:
            kind = WrongAddressError
        case _ if status < 400:
            kind = WrongAddressError
        case _ if status >= 500:
            kind = PlatformFailedError
        case _:
            kind = ContactRefusedError
    error = kind(reason, http_status=status, reply_text=text, wait_seconds=wait_seconds)
    if kind is PlatformFailedError:
        error.is_outcome_unknown = status not in _REFUSED_BEFORE_WORK
    return error
