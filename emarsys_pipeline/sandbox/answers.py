"""Sends answers over the wire, spoilt where a fault says so."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.types import Scope, Send

from emarsys_pipeline.sandbox.faults import FaultRule
from emarsys_pipeline.sandbox.gate import Answer

# Where the scope keeps the server's request cycle, which alone can drop a connection.
CYCLE = "emarsys_sandbox.request_cycle"


def http_date(clock_skew_seconds: float) -> str:
    """Return the server's time for the Date header."""
    skew = timedelta(seconds=clock_skew_seconds)
    return format_datetime(datetime.now(UTC) + skew, usegmt=True)


async def send_answer(answer: Answer, headers: dict[str, str], scope: Scope, send: Send) -> None:
    """Send an answer, or what a fault leaves of it."""
    fault = answer.fault.name if answer.fault is not None else None
    if fault in ("reset_before_answer", "commit_then_drop"):
        drop_connection(scope)
        return
    if fault == "slow_answer":
        await asyncio.sleep(_wait_seconds(answer.fault))
    content = answer.reply.content
    if isinstance(content, bytes):
        headers["Content-Length"] = str(len(content))
    await send(
        {
            "type": "http.response.start",
            "status": answer.reply.http_status,
            "headers": [(k.encode("latin-1"), v.encode("latin-1")) for k, v in headers.items()],
        }
    )
    if fault in ("reset_in_body", "dripping_answer"):
        await _send_spoilt(answer.fault, await _whole(content), scope, send)
        return
    if isinstance(content, bytes):
        await send({"type": "http.response.body", "body": content})
        return
    async for piece in iterate_in_threadpool(content):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _whole(content: bytes | Iterable[bytes]) -> bytes:
    if isinstance(content, bytes):
        return content
    return await run_in_threadpool(b"".join, content)


async def _send_spoilt(fault: FaultRule | None, body: bytes, scope: Scope, send: Send) -> None:
    if fault is not None and fault.name == "reset_in_body":
        await send(
            {"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True}
        )
        # Lets the first half leave before the connection goes.
        await asyncio.sleep(0.05)
        drop_connection(scope)
        return
    parts = 20
    size = max(-(-len(body) // parts), 1)
    for start in range(0, len(body), size):
        await asyncio.sleep(_wait_seconds(fault) / parts)
        await send(
            {"type": "http.response.body", "body": body[start : start + size], "more_body": True}
        )
    await send({"type": "http.response.body", "body": b""})


def _wait_seconds(fault: FaultRule | None) -> float:
    return float(fault.details.get("wait_seconds", 5)) if fault is not None else 0.0


def drop_connection(scope: Scope) -> None:
    """Close the client's connection at once."""
    cycle: Any = scope[CYCLE]
    cycle.transport.abort()
    cycle.disconnected = True
