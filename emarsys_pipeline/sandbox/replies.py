"""Answers of the API: the JSON envelope, refusals, and answers in other forms."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer: ``content`` is the whole body, or an iterator over its pieces."""

    content: bytes | Iterator[bytes]
    http_status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


class ApiError(Exception):
    """A refusal in the API's envelope.

    Attributes:
        http_status: HTTP status of the answer.
        reply_code: ``replyCode`` of the envelope.
        reply_text: ``replyText`` of the envelope.
        data: ``data`` of the envelope; Emarsys sends an empty string on refusals.
    """

    def __init__(self, http_status: int, reply_code: int, reply_text: str, data: Any = "") -> None:
        super().__init__(http_status, reply_code, reply_text, data)
        self.http_status = http_status
        self.reply_code = reply_code
        self.reply_text = reply_text
        self.data = data


def json_reply(document: Any, http_status: int = 200) -> Reply:
    """Return a JSON answer without the envelope."""
    return Reply(json.dumps(document, ensure_ascii=False).encode(), http_status)


def envelope(data: Any) -> Reply:
    """Return a successful answer around ``data``."""
    return json_reply({"replyCode": 0, "replyText": "OK", "data": data})


def refusal(error: ApiError) -> Reply:
    """Return the answer that tells a refusal."""
    document = {
        "replyCode": error.reply_code,
        "replyText": error.reply_text,
        "data": error.data,
    }
    return json_reply(document, error.http_status)


def bad_parameter(reply_text: str) -> ApiError:
    """Return the catch-all refusal of a parameter, HTTP 400 with code 10001."""
    return ApiError(400, 10001, reply_text)
