"""Webhooks that the sandbox sends: export notifications, consent decisions, automation events."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import jwt
import requests

logger = logging.getLogger(__name__)

# Emarsys sends an automation webhook 11 times in all, waiting from 30 s up to 10 min.
AUTOMATION_ATTEMPTS = 11
_FIRST_WAIT_SECONDS, _MAX_WAIT_SECONDS = 30.0, 600.0
# It tells that an export is ready six times in all, a minute apart.
_NOTIFICATION_ATTEMPTS, _NOTIFICATION_WAIT_SECONDS = 6, 60.0
_TIMEOUT_SECONDS = 10
_senders = ThreadPoolExecutor(max_workers=4, thread_name_prefix="webhook")
_is_stopping = threading.Event()


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How documents are sent, one a request.

    Attributes:
        auth: hmac (``X-Signature: sha256=<hex over the body>``), jwt (``Authorization: Bearer``
            with HS256, iat and exp) or header (``X-Api-Key``).
        duplicates: how many of the documents are sent a second time.
        shuffle_seed: the order of sending; None sends in the order given.
        delay_seconds: how late the first attempt is made.
        first_wait_seconds: between the first two attempts; each further wait is twice as long.
        max_wait_seconds: no wait is longer.
        wait_factor: multiplies the waits between attempts, so that a test need not wait minutes.
    """

    url: str
    secret: str = ""
    auth: str = "hmac"
    duplicates: int = 0
    shuffle_seed: int | None = None
    attempts: int = AUTOMATION_ATTEMPTS
    delay_seconds: float = 0.0
    first_wait_seconds: float = _FIRST_WAIT_SECONDS
    max_wait_seconds: float = _MAX_WAIT_SECONDS
    wait_factor: float = 1.0


def auth_headers(auth: str, secret: str, body: bytes) -> dict[str, str]:
    """Return the headers that prove who sends a body."""
    if not secret:
        return {}
    if auth == "jwt":
        now = int(time.time())
        token = jwt.encode({"iat": now, "exp": now + 300}, secret, algorithm="HS256")
        return {"Authorization": f"Bearer {token}"}
    if auth == "header":
        return {"X-Api-Key": secret}
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Signature": f"sha256={signature}"}


def _send_once(url: str, body: bytes, headers: dict[str, str]) -> bool:
    try:
        reply = requests.post(
            url,
            data=body,
            headers={"Content-Type": "application/json", **headers},
            timeout=_TIMEOUT_SECONDS,
        )
    except requests.RequestException:
        return False
    return reply.ok


def send_all(documents: Sequence[dict[str, Any]], delivery: Delivery) -> dict[str, int]:
    """Send documents, each until it is accepted or its attempts are used up; return counts.

    A document that is refused holds up no other: it comes again in the next round.
    """
    queue = list(documents) + list(documents[: delivery.duplicates])
    if delivery.shuffle_seed is not None:
        random.Random(delivery.shuffle_seed).shuffle(queue)  # noqa: S311 - not for secrecy
    _is_stopping.wait(delivery.delay_seconds)
    waiting, wait_seconds = queue, delivery.first_wait_seconds
    for attempt in range(delivery.attempts):
        if attempt:
            _is_stopping.wait(wait_seconds * delivery.wait_factor)
            wait_seconds = min(wait_seconds * 2, delivery.max_wait_seconds)
        waiting = [document for document in waiting if not _is_accepted(document, delivery)]
        if not waiting:
            break
    return {"sent": len(queue) - len(waiting), "failed": len(waiting)}


def _is_accepted(document: dict[str, Any], delivery: Delivery) -> bool:
    if _is_stopping.is_set():
        return False
    body = json.dumps(document, ensure_ascii=False).encode()
    return _send_once(delivery.url, body, auth_headers(delivery.auth, delivery.secret, body))


def send_in_background(documents: Sequence[dict[str, Any]], delivery: Delivery) -> None:
    """Start sending documents and return at once."""
    _senders.submit(send_all, documents, delivery)


def stop_sending() -> None:
    """Give up what is still to be sent, so that the server can end."""
    _is_stopping.set()
    _senders.shutdown(wait=False, cancel_futures=True)


def notify_export(url: str, document: dict[str, Any]) -> None:
    """Tell a URL that an export is ready, as the answer of its status call; in the background."""
    reply = {"replyCode": 0, "replyText": "OK", "data": document}
    delivery = Delivery(
        url=url,
        attempts=_NOTIFICATION_ATTEMPTS,
        first_wait_seconds=_NOTIFICATION_WAIT_SECONDS,
        max_wait_seconds=_NOTIFICATION_WAIT_SECONDS,
    )
    send_in_background([reply], delivery)
