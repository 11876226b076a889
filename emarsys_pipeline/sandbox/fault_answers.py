"""The answers of faults that replace the endpoint's own, so that nothing is applied."""

from __future__ import annotations

import math
import time

from emarsys_pipeline.sandbox.faults import FaultRule
from emarsys_pipeline.sandbox.rate import too_many_requests
from emarsys_pipeline.sandbox.replies import ApiError, Reply, json_reply

_HTML = b"<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>"


def answer_of_fault(rule: FaultRule, headers: dict[str, str]) -> Reply | None:
    """Return the answer that a fault gives in place of the endpoint's; None when it gives none.

    Args:
        rule: the fault that meets the request.
        headers: the rate headers, changed where the fault is about them.

    Raises:
        ApiError: the fault is a refusal in the API's envelope.
    """
    if rule.name == "rate_limited":
        headers["X-Ratelimit-Remaining"] = "0"
        wait_seconds = float(rule.details.get("wait_seconds", 2))
        headers["X-RateLimit-Reset"] = str(math.ceil(time.time() + wait_seconds))
        raise too_many_requests()
    if rule.name == "rate_limited_without_reset":
        headers.clear()
        raise too_many_requests()
    refused = _REFUSALS.get(rule.name)
    if refused is not None:
        raise ApiError(*refused)
    if rule.name == "refused":
        raise ApiError(
            int(rule.details.get("http_status", 400)),
            int(rule.details.get("reply_code", 10001)),
            str(rule.details.get("reply_text", "Invalid parameter")),
        )
    if rule.name == "failing_reply_code":
        code = int(rule.details.get("reply_code", 1))
        text = str(rule.details.get("reply_text", "Database error occurred."))
        return json_reply({"replyCode": code, "replyText": text, "data": ""})
    return _REPLIES.get(rule.name)


_REFUSALS = {
    "server_error": (500, 1, "Database connection error"),
    "busy": (423, 10003, "The admin already running a segment. Please wait until it is finished."),
    "evaluating": (202, 10001, "The segment is currently evaluated."),
    "forbidden": (403, 1, "Forbidden"),
    "unauthorized": (401, 1, "Unauthorized"),
}
_REPLIES = {
    "bad_gateway": Reply(_HTML, 502, "text/html"),
    "overloaded": Reply(b"Service Unavailable", 503, "text/plain"),
    "html_answer": Reply(_HTML, 200, "text/html; charset=utf-8"),
    "broken_json": Reply(b'{"replyCode":0,"replyText":"OK","data":[{"id":"7'),
    "empty_answer": Reply(b""),
    "reset_before_answer": Reply(b""),
}
