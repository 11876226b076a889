"""Takes a contact's values out of what the platform wrote about it."""

import json
import re
from collections.abc import Iterator

MAX_TEXT_CHARACTERS = 300
_SHORTEST_VALUE = 2
_EMAIL = re.compile(r"[^\s\"'<>(),;:=]+@[^\s\"'<>(),;]+")
_NUMBER = re.compile(r"\+?\d[\d ()/.-]{4,}\d")


def mask_values(text: str, body: bytes) -> str:
    """``text`` without the values that ``body`` carried, addresses and longer numbers."""
    for value in sorted(set(_values(json.loads(body))), key=len, reverse=True):
        if len(value) >= _SHORTEST_VALUE:
            text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", "<value>", text)
    text = _EMAIL.sub("<email>", text)
    return _NUMBER.sub("<number>", text)[:MAX_TEXT_CHARACTERS]


def _values(content: object) -> Iterator[str]:
    if isinstance(content, dict):
        for value in content.values():
            yield from _values(value)
    elif isinstance(content, list):
        for value in content:
            yield from _values(value)
    elif content is not None and not isinstance(content, bool):
        yield str(content)
