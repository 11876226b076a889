"""The webhook service: takes messages over HTTP and answers 2xx once they are durable.

``POST /webhooks/platform/consent``, ``/webhooks/platform/contacts`` and
``/webhooks/emarsys/{account}`` take one JSON object or an array of them. Answers:

- 202 kept; also for messages that are already there. The body counts accepted and duplicates.
- 400 something could not be read; it is kept with its reason, and the readable rest is kept too.
- 401 not signed, 403 the endpoint has no secret, 404 unknown account, 413 too large, 415 no JSON,
  429 too many requests, 503 nothing was kept, send again.

``GET /healthz`` says whether messages can be kept, ``GET /metrics`` counts (Prometheus).
``POST /webhooks/emarsys/{account}/legacy/{secret}`` takes the form-encoded calls of the legacy
node; its Escher signature is not checked, so the secret in the address stands for it, and there is
no such endpoint unless a secret is set.
"""

import asyncio
import hmac
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emarsys_pipeline.inbox.decoding import Decoded, decode_form, decode_json
from emarsys_pipeline.inbox.group_commit import GroupCommit, OverloadedError
from emarsys_pipeline.inbox.keeping import Delivery
from emarsys_pipeline.inbox.metrics import ReceiverMetrics
from emarsys_pipeline.inbox.queue import Inbox
from emarsys_pipeline.inbox.signatures import SignatureError, Verifier

WEBHOOK_SOURCE = "webhook"
JSON_TYPES = ("", "application/json", "text/json")
FORM_TYPE = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverSettings:
    """What the service accepts; an endpoint without verifier refuses everything."""

    platform: Verifier | None = None
    emarsys: Verifier | None = None
    accounts: frozenset[str] = frozenset()
    legacy_secret: str | None = field(default=None, repr=False)
    max_body_bytes: int = 1_000_000
    rate_per_second: float = 5000.0


class RateLimit:
    """Lets ``per_second`` requests through, and as many at once after a quiet second."""

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = max(1.0, per_second)
        self._clock = clock
        self._tokens = self._burst
        self._filled_at = clock()

    def allows(self) -> bool:
        """Whether one more request may pass now."""
        now = self._clock()
        gained = (now - self._filled_at) * self._per_second
        self._tokens = min(self._burst, self._tokens + gained)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class _Receiver:
    """The endpoints, around one inbox and its writer."""

    def __init__(self, inbox: Inbox, settings: ReceiverSettings) -> None:
        self.inbox = inbox
        self.settings = settings
        self.metrics = ReceiverMetrics(lambda: self.writer.waiting)
        self.writer = GroupCommit(inbox, self.metrics.count_commit)
        self.rate_limit = RateLimit(settings.rate_per_second)

    @asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        """Write from start to shutdown; what was taken is written before the end."""
        self.writer.start()
        try:
            yield
        finally:
            await asyncio.to_thread(self.writer.stop)

    async def take_consent(self, request: Request) -> Response:
        """Consent decisions of the messaging platform."""
        body = await self._signed_body(request, self.settings.platform, "platform_secret")
        return await self._keep(decode_json("consent", body), "platform/consent")

    async def take_contacts(self, request: Request) -> Response:
        """Contacts of the messaging platform."""
        body = await self._signed_body(request, self.settings.platform, "platform_secret")
        return await self._keep(decode_json("contact", body), "platform/contacts")

    async def take_automation(self, request: Request) -> Response:
        """Calls of webhook nodes in Emarsys automations."""
        body = await self._signed_body(request, self.settings.emarsys, "emarsys_secret")
        account = self._account(request)
        return await self._keep(decode_json("automation", body, account=account), "emarsys")

    async def take_legacy(self, request: Request) -> Response:
        """Calls of legacy nodes; their secret is part of the address."""
        self._limit_rate()
        expected = self.settings.legacy_secret
        sent = request.path_params["secret"]
        if not expected or not hmac.compare_digest(sent.encode(), expected.encode()):
            raise HTTPException(404, "no such endpoint")
        account = self._account(request)
        if _media_type(request) != FORM_TYPE:
            raise HTTPException(415, f"send {FORM_TYPE}")
        body = await self._body(request)
        return await self._keep(decode_form(body, account=account), "emarsys/legacy")

    async def tell_health(self, _request: Request) -> Response:
        """Whether messages can be kept."""
        try:
            last = await asyncio.to_thread(self.inbox.last_sequence)
        except Exception:  # noqa: BLE001 - every failure means the same here
            return JSONResponse({"status": "the inbox cannot be read"}, 503)
        if not self.writer.is_alive:
            return JSONResponse({"status": "the writer has ended"}, 503)
        return JSONResponse({"status": "ok", "last_sequence": last, "waiting": self.writer.waiting})

    async def tell_metrics(self, _request: Request) -> Response:
        """Counts, in the text format of Prometheus."""
        text = generate_latest(self.metrics.registry)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    async def tell_error(self, request: Request, error: Exception) -> Response:
        """The answer to a refused request, counted."""
        status = error.status_code if isinstance(error, HTTPException) else 500
        detail = error.detail if isinstance(error, HTTPException) else "failed"
        headers = error.headers if isinstance(error, HTTPException) else None
        if request.method == "POST":
            self.metrics.answers.labels(str(status)).inc()
        return JSONResponse({"error": detail}, status, headers=headers)

    def _limit_rate(self) -> None:
        if not self.rate_limit.allows():
            raise HTTPException(429, "too many requests; send again", headers={"Retry-After": "1"})

    def _account(self, request: Request) -> str:
        account = str(request.path_params["account"])
        if account not in self.settings.accounts:
            raise HTTPException(404, "no such account in the settings")
        return account

    async def _signed_body(
        self, request: Request, verifier: Verifier | None, setting: str
    ) -> bytes:
        self._limit_rate()
        if verifier is None:
            raise HTTPException(403, f"not set up: the setting webhooks.{setting} is missing")
        if _media_type(request) not in JSON_TYPES:
            raise HTTPException(415, "send application/json")
        body = await self._body(request)
        try:
            verifier.verify(request.headers, body)
        except SignatureError as error:
            raise HTTPException(401, str(error)) from error
        return body

    async def _body(self, request: Request) -> bytes:
        limit = self.settings.max_body_bytes
        too_large = HTTPException(413, f"send at most {limit} bytes")
        length = request.headers.get("content-length", "0")
        if not length.isdigit() or int(length) > limit:
            raise too_large
        chunks = bytearray()
        async for chunk in request.stream():
            chunks += chunk
            if len(chunks) > limit:
                raise too_large
        return bytes(chunks)

    async def _keep(self, decoded: Decoded, endpoint: str) -> Response:
        delivery = Delivery(decoded.messages, WEBHOOK_SOURCE, decoded.rejected)
        try:
            result = await asyncio.wrap_future(self.writer.submit(delivery))
        except OverloadedError:
            raise HTTPException(
                503, "too much is waiting to be written; send again", headers={"Retry-After": "1"}
            ) from None
        except Exception as error:
            raise HTTPException(503, "nothing was kept; send again") from error
        self.metrics.count_delivery(endpoint, result, len(decoded.rejected))
        status = 400 if decoded.reasons else 202
        self.metrics.answers.labels(str(status)).inc()
        answer: dict[str, object] = {
            "accepted": result.accepted,
            "duplicates": result.duplicates,
        }
        if decoded.reasons:
            answer["rejected"] = decoded.reasons
        return JSONResponse(answer, status)


def create_app(inbox: Inbox, settings: ReceiverSettings) -> Starlette:
    """The service, as an ASGI application that keeps what it takes in ``inbox``."""
    receiver = _Receiver(inbox, settings)
    return Starlette(
        routes=[
            Route("/webhooks/platform/consent", receiver.take_consent, methods=["POST"]),
            Route("/webhooks/platform/contacts", receiver.take_contacts, methods=["POST"]),
            Route("/webhooks/emarsys/{account}", receiver.take_automation, methods=["POST"]),
            Route(
                "/webhooks/emarsys/{account}/legacy/{secret}",
                receiver.take_legacy,
                methods=["POST"],
            ),
            Route("/healthz", receiver.tell_health),
            Route("/metrics", receiver.tell_metrics),
        ],
        exception_handlers={HTTPException: receiver.tell_error},
        lifespan=receiver.lifespan,
    )


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").split(";")[0].strip().lower()
