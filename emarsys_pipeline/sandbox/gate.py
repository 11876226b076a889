"""The order in which a request is judged: clock, credentials, rate, route, permission, fault."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from emarsys_pipeline.sandbox import oauth, wsse
from emarsys_pipeline.sandbox.exports import ExportRunner, find_export
from emarsys_pipeline.sandbox.fault_answers import answer_of_fault
from emarsys_pipeline.sandbox.faults import FaultRule
from emarsys_pipeline.sandbox.permissions import require_permission
from emarsys_pipeline.sandbox.rate import UNLIMITED, rate_headers, too_many_requests
from emarsys_pipeline.sandbox.replies import ApiError, Reply, refusal
from emarsys_pipeline.sandbox.routing import (
    ApiRequest,
    Match,
    Route,
    find_route,
    parse_body,
    split_path,
)
from emarsys_pipeline.sandbox.state import LoggedRequest, State

logger = logging.getLogger(__name__)

_MEGABYTE = 1_000_000
_MAX_BODY_BYTES = {"PUT contact": 8 * _MEGABYTE, "POST event/{id}/trigger": _MEGABYTE}
_MAX_OTHER_BODY_BYTES = 10 * _MEGABYTE


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRequest:
    """A request as it came over the wire; ``path`` is what follows the version."""

    method: str
    version: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    base_url: str


@dataclass(slots=True)
class Answer:
    """What to send, the fault that the sending itself has to play, and the clock's skew."""

    reply: Reply
    headers: dict[str, str] = field(default_factory=dict)
    fault: FaultRule | None = None
    clock_skew_seconds: float = 0.0


class Gate:
    """Judges requests and hands the accepted ones to their endpoint."""

    def __init__(self, state: State, runner: ExportRunner, routes: Iterable[Route]) -> None:
        self._state = state
        self._runner = runner
        self._routes = list(routes)

    def answer(self, raw: RawRequest) -> Answer:
        """Answer one request; never raises for what a client did."""
        limit = self._limit()
        answer = Answer(Reply(b""), rate_headers(limit, limit, self._state.started_at + 60))
        logged = self._state.next_request(raw.method, raw.path, "")
        early = self._meet_early_fault(raw, answer)
        try:
            answer.reply = self._accepted(raw, logged, answer, limit)
        except ApiError as error:
            answer.reply = refusal(error)
        except Exception:  # a fault of the sandbox itself is told as Emarsys tells its own
            logger.exception("could not answer %s %s", raw.method, raw.path)
            answer.reply = refusal(ApiError(500, 1003, "Internal error."))
        logged.http_status = answer.reply.http_status
        fault = answer.fault or early
        logged.fault = None if fault is None else fault.name
        return answer

    def _accepted(
        self, raw: RawRequest, logged: LoggedRequest, answer: Answer, limit: int
    ) -> Reply:
        logged.credential = credential = self._authenticate(raw, answer.clock_skew_seconds)
        is_within, answer.headers = self._state.rates.count(credential, limit)
        if not is_within and self._state.setting("enforce_rate_limit"):
            raise too_many_requests()
        segments, parameters = split_path(raw.path)
        match = find_route(self._routes, raw.method, segments)
        require_permission(self._state, credential, match.route.permissions)
        maximum = _MAX_BODY_BYTES.get(match.route.name, _MAX_OTHER_BODY_BYTES)
        if len(raw.body) > maximum:
            raise ApiError(413, 1, "Request entity too large")
        body = parse_body(raw.body)
        parameters = {**dict(parse_qsl(raw.query, keep_blank_values=True)), **parameters}
        if raw.method == "GET" and isinstance(body, dict):
            parameters = {**{name: str(value) for name, value in body.items()}, **parameters}
        answer.fault = self._take_fault(match, body)
        if answer.fault is not None:
            spoilt = answer_of_fault(answer.fault, answer.headers)
            if spoilt is not None:
                return spoilt
        return match.route.handler(
            ApiRequest(
                state=self._state,
                runner=self._runner,
                number=logged.sequence,
                path_values=match.path_values,
                parameters=parameters,
                body=body,
                base_url=raw.base_url,
                fault=answer.fault,
            )
        )

    def _limit(self) -> int:
        """Return how many requests a minute the headers promise."""
        if self._state.setting("enforce_rate_limit"):
            return int(self._state.setting("requests_per_minute"))
        # Clients wait when the headers say that nothing is left, even if nothing is refused.
        return UNLIMITED

    def _meet_early_fault(self, raw: RawRequest, answer: Answer) -> FaultRule | None:
        """Play the faults that act before the credentials are judged; return the one met."""
        answer.clock_skew_seconds = float(self._state.setting("clock_skew_seconds"))
        if not self._state.faults.has_rules:
            return None
        try:
            endpoint = find_route(self._routes, raw.method, split_path(raw.path)[0]).route.name
        except ApiError:
            endpoint = ""
        fault = self._state.faults.take(endpoint, set(), None, is_before_credentials=True)
        if fault is not None and fault.name == "skewed_clock":
            answer.clock_skew_seconds += float(fault.details.get("skew_seconds", 600))
        elif fault is not None:
            oauth.revoke_tokens(self._state)
        return fault

    def _authenticate(self, raw: RawRequest, clock_skew_seconds: float) -> str:
        if raw.version not in ("v2", "v3"):
            raise ApiError(400, 1, f"Action {raw.version} is invalid.")
        if raw.version == "v3":
            return oauth.authenticate(self._state, raw.headers.get("authorization"))
        header = raw.headers.get("x-wsse") or raw.headers.get("wsse")
        return wsse.authenticate(self._state, header, clock_skew_seconds)

    def _take_fault(self, match: Match, body: Any) -> FaultRule | None:
        if not self._state.faults.has_rules:
            return None
        return self._state.faults.take(match.route.name, *self._subject(match, body))

    def _subject(self, match: Match, body: Any) -> tuple[set[str], str | None]:
        """Return the segments and the export that a request is about."""
        number = match.path_values.get("id")
        area = match.route.pattern.partition("/")[0]
        segments = {number} if area == "filter" and number else set()
        if isinstance(body, dict) and "filter" in body:
            segments.add(str(body["filter"]))
        if area != "export" or number is None:
            return segments, None
        try:
            segment_id = find_export(self._state, number).order.segment_id
        except ApiError:
            return segments, number
        return segments | ({segment_id} if segment_id else set()), number
