"""From the bytes of a request to messages, with a reason for each part that cannot be read."""

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from emarsys_pipeline.inbox.keeping import Rejected
from emarsys_pipeline.inbox.messages import Kind, Message, MessageError, load_json, parse_message

# What tells one call of a legacy node from another, as Emarsys documents it.
LEGACY_ID = ("environment", "queue_id", "run_id")


@dataclass(slots=True)
class Decoded:
    """What one body held; ``reasons`` names each refused part by its position."""

    messages: list[Message] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)


def decode_json(kind: Kind, body: bytes, *, account: str | None = None) -> Decoded:
    """One JSON object or an array of them; the good parts of an array count without the others."""
    decoded = Decoded()
    try:
        content = load_json(body)
    except MessageError as error:
        decoded.rejected.append(Rejected(body, str(error)))
        decoded.reasons.append(f"the body {error}")
        return decoded
    items = content if isinstance(content, list) else [content]
    for position, item in enumerate(items):
        try:
            decoded.messages.append(parse_message(kind, item, account=account))
        except MessageError as error:
            part = body if len(items) == 1 else json.dumps(item).encode()
            decoded.rejected.append(Rejected(part, str(error)))
            decoded.reasons.append(f"item {position} {error}")
    return decoded


def decode_form(body: bytes, *, account: str) -> Decoded:
    """One call of the legacy Automation Center node, form-encoded.

    ``list_id`` or ``user_id`` names whom it is about; the members of a list are not in the call.
    """
    decoded = Decoded()
    try:
        content: dict[str, Any] = dict(
            parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True)
        )
        if not content.get("list_id") and not content.get("user_id"):
            raise MessageError("names neither list_id nor user_id")
        if all(content.get(name) for name in LEGACY_ID):
            content["deduplication_id"] = "/".join(content[name] for name in LEGACY_ID)
        decoded.messages.append(parse_message("automation", content, account=account))
    except ValueError as error:
        reason = str(error) if isinstance(error, MessageError) else "is no form in UTF-8"
        decoded.rejected.append(Rejected(body, reason))
        decoded.reasons.append(f"the body {reason}")
    return decoded
