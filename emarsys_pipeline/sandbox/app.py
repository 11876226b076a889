"""The ASGI application: the API, the token endpoint, the control API and a page for people."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from emarsys_pipeline.sandbox import oauth, platform_api
from emarsys_pipeline.sandbox.answers import CYCLE, http_date, send_answer
from emarsys_pipeline.sandbox.control import control_routes
from emarsys_pipeline.sandbox.description import description_routes
from emarsys_pipeline.sandbox.exports import ExportRunner
from emarsys_pipeline.sandbox.fault_answers import answer_of_fault
from emarsys_pipeline.sandbox.gate import Answer, Gate, RawRequest
from emarsys_pipeline.sandbox.rate import too_many_requests
from emarsys_pipeline.sandbox.replies import ApiError, Reply, refusal
from emarsys_pipeline.sandbox.routes import (
    account,
    contact_changes,
    contact_lists,
    contact_merge,
    contacts,
    emails,
    events,
    exports,
    fields,
    segment_definitions,
    segment_runs,
    segments,
)
from emarsys_pipeline.sandbox.routing import Route as ApiRoute
from emarsys_pipeline.sandbox.state import State
from emarsys_pipeline.sandbox.webhooks import stop_sending

_AREAS = (
    contacts,
    contact_changes,
    contact_merge,
    fields,
    segments,
    segment_definitions,
    segment_runs,
    exports,
    emails,
    events,
    contact_lists,
    account,
)

_TOKENS_PER_MINUTE = 50


def api_routes() -> list[ApiRoute]:
    """Return every endpoint of the API."""
    return [route for area in _AREAS for route in area.table.routes]


class _Api:
    """Serves ``/api/v2`` and ``/api/v3``: reads the request, asks the gate, sends the answer."""

    def __init__(self, state: State, gate: Gate) -> None:
        self._state = state
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        request = Request(scope, receive)
        try:
            body = await request.body()
        except ClientDisconnect:
            return
        raw_path = scope.get("raw_path", b"").decode("latin-1").partition("?")[0]
        _, _, version, path = (raw_path + "/").split("/", 3)
        raw = RawRequest(
            method=request.method,
            version=version,
            path=path,
            query=scope["query_string"].decode("latin-1"),
            headers=request.headers,
            body=body,
            base_url=f"{request.base_url.scheme}://{request.base_url.netloc}/api/{version}",
        )
        answer = await run_in_threadpool(self._gate.answer, raw)
        if answer.reply.content_type == "application/json":
            content_type = self._state.setting("json_content_type")
        else:
            content_type = answer.reply.content_type
        headers = {
            **answer.headers,
            **answer.reply.headers,
            "Content-Type": content_type,
            "Date": http_date(answer.clock_skew_seconds),
            "X-Suite-Response-Time": str(int((time.perf_counter() - started) * 1000)),
        }
        await send_answer(answer, headers, scope, send)


class SandboxApp:
    """The whole application, as the server calls it.

    ASGI has no message that drops a connection. The server's ``send`` is a method of uvicorn's
    request cycle, which knows the transport, so the cycle is kept in the scope.
    """

    def __init__(self, app: Starlette) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        scope[CYCLE] = getattr(send, "__self__", None)
        await self._app(scope, receive, send)


class _Token:
    """Serves ``/oauth2/token``."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await request.body()
        answer = self._answer(request.headers.get("authorization"), body)
        headers = {
            **answer.headers,
            "Content-Type": answer.reply.content_type,
            "Date": http_date(self._state.setting("clock_skew_seconds")),
        }
        await send_answer(answer, headers, scope, send)

    def _answer(self, authorization: str | None, body: bytes) -> Answer:
        limit = _TOKENS_PER_MINUTE
        is_within, headers = self._state.rates.count(f"token {authorization}", limit)
        answer = Answer(Reply(b""), headers)
        answer.fault = self._state.faults.take("POST oauth2/token", set(), None)
        try:
            if not is_within and self._state.setting("enforce_rate_limit"):
                raise too_many_requests()
            spoilt = answer.fault and answer_of_fault(answer.fault, headers)
            answer.reply = spoilt or oauth.issue_token(self._state, authorization, body)
        except ApiError as error:
            answer.reply = refusal(error)
        return answer


async def _healthcheck(scope: Scope, _receive: Receive, send: Send) -> None:
    headers = {"Content-Type": "text/plain"}
    await send_answer(Answer(Reply(b"OK", 200, "text/plain")), headers, scope, send)


def make_app(state: State) -> SandboxApp:
    """Make the application over an account's state; closing the application closes the state."""
    runner = ExportRunner(state)
    gate = Gate(state, runner, api_routes())

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        stop_sending()
        runner.close()
        state.close()

    api = _Api(state, gate)
    app = Starlette(
        routes=[
            Route(platform_api.PATH, platform_api.ContactApi(state), methods=["PUT"]),
            Mount("/api", app=api),
            Route("/oauth2/token", _Token(state), methods=["POST"]),
            Mount("/healthcheck", app=_healthcheck),
            Mount("/control", routes=control_routes(state)),
            *description_routes(state, api_routes()),
        ],
        lifespan=lifespan,
    )
    return SandboxApp(app)
