"""Scripted faults: what goes wrong, for which requests, how often.

A rule names a fault and the requests it meets: an endpoint (``PUT contact``, ``*`` for all), and
optionally a segment or export id. The first ``after`` matching requests pass, the next ``times``
meet the fault (None: all that follow).
"""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, field
from typing import Any

FAULTS: dict[str, str] = {
    "rate_limited": "429 with rate headers; X-RateLimit-Reset lies wait_seconds ahead (default 2).",
    "rate_limited_without_reset": "429 without any rate header.",
    "server_error": "500 with reply code 1 and a database error text.",
    "bad_gateway": "502 with a body that is HTML.",
    "overloaded": "503 with a body that is not JSON.",
    "busy": "423 with 10003, as when the administrator already runs a segment.",
    "evaluating": "202 with 10001, as when a segment is being evaluated.",
    "reset_before_answer": "The connection drops before the request is applied.",
    "commit_then_drop": "The request is applied, then the connection drops without an answer.",
    "reset_in_body": "The connection drops after part of the body.",
    "slow_answer": "The answer begins only after wait_seconds (default 5).",
    "dripping_answer": "The body comes in small pieces over wait_seconds (default 5).",
    "html_answer": "200 with an HTML page instead of JSON.",
    "broken_json": "200 with JSON that ends too early.",
    "empty_answer": "200 with an empty body.",
    "failing_reply_code": "200 with reply_code (default 1) and reply_text in the envelope.",
    "refused": "http_status (default 400) with reply_code and reply_text as the rule says.",
    "skewed_clock": "The server's clock is skew_seconds ahead (default 600), in Date as well.",
    "revoked_token": "Every bearer token issued so far is revoked, then the request is judged.",
    "forbidden": "403, as when the permission was taken away.",
    "unauthorized": "401, as when the secret was changed.",
    "permanent_partial_errors": "The first `count` contacts of a batch write are refused: 2007.",
    "transient_partial_errors": "The first `count` contacts of a batch write are refused: 2011.",
    "truncated_csv": "The export's file ends in mid record, as a complete answer.",
    "truncated_csv_at_record": "The export's file lacks its last records, but ends cleanly.",
    "missing_csv_rows": "The export's file lacks every tenth record.",
    "truncated_csv_in_quotes": "The export's file ends inside a quoted cell.",
    "header_only_csv": "The export's file has a header and no records.",
    "empty_csv": "The export's file has no bytes at all.",
    "duplicated_csv_rows": "Some records of the export come twice.",
    "shuffled_csv_rows": "The export's records come in another order.",
    "repeated_csv_header": "The header comes again in the middle of the export.",
    "byte_order_mark": "The export's file starts with a byte order mark.",
    "lf_line_ends": "The export's records end with LF only.",
    "extra_csv_column": "Each record of the export has one more column than was asked for.",
    "export_error": "The export's status is error.",
    "export_hangs": "The export's status stays at in progress.",
    "export_expired": "410: the export's file is gone.",
    "export_file_missing": "404 with 4006: the export's file was not found.",
    "export_file_error": "500 with 4007 when the export's file is read.",
    "missing_fields": "The fields named in field_ids are absent from the field list.",
}


# These act before the credentials are judged, all others after.
BEFORE_CREDENTIALS = frozenset({"skewed_clock", "revoked_token"})


class UnknownFaultError(ValueError):
    """A rule named a fault that is not in the list."""


@dataclass(slots=True, kw_only=True)
class FaultRule:
    """One fault and the requests it meets; ``details`` are the fault's own parameters."""

    name: str
    endpoint: str = "*"
    segment: str | None = None
    export: str | None = None
    after: int = 0
    times: int | None = 1
    details: dict[str, Any] = field(default_factory=dict)
    seen: int = 0
    met: int = 0

    def matches(self, endpoint: str, segments: set[str], export: str | None) -> bool:
        """Return whether the rule is about such a request."""
        return (
            self.endpoint in ("*", endpoint)
            and (self.segment is None or self.segment in segments)
            and (self.export is None or self.export == export)
        )

    def take(self) -> bool:
        """Count a matching request and return whether the fault meets it."""
        self.seen += 1
        if self.seen <= self.after or (self.times is not None and self.met >= self.times):
            return False
        self.met += 1
        return True


class FaultRules:
    """The rules in force, oldest first; the first that meets a request wins."""

    def __init__(self) -> None:
        self._rules: list[FaultRule] = []
        self._lock = threading.Lock()

    def add(self, document: dict[str, Any]) -> FaultRule:
        """Add a rule from its JSON form; keys that are not the rule's own are details.

        Raises:
            UnknownFaultError: there is no such fault.
        """
        values = dict(document)
        own = {
            name: values.pop(name)
            for name in ("name", "endpoint", "segment", "export", "after", "times")
            if name in values
        }
        if own.get("name") not in FAULTS:
            raise UnknownFaultError(f"no fault {own.get('name')!r}; known: {', '.join(FAULTS)}")
        for name in ("segment", "export"):
            if own.get(name) is not None:
                own[name] = str(own[name])
        rule = FaultRule(**own, details=values)
        with self._lock:
            self._rules.append(rule)
        return rule

    @property
    def has_rules(self) -> bool:
        """Whether any rule is in force."""
        return bool(self._rules)

    def clear(self) -> None:
        """Forget all rules."""
        with self._lock:
            self._rules.clear()

    def documents(self) -> list[dict[str, Any]]:
        """Return the rules with how many requests each has seen and met."""
        with self._lock:
            return [asdict(rule) for rule in self._rules]

    def take(
        self,
        endpoint: str,
        segments: set[str],
        export: str | None,
        *,
        is_before_credentials: bool = False,
    ) -> FaultRule | None:
        """Count a request against every rule about it; return the first that meets it."""
        with self._lock:
            chosen: FaultRule | None = None
            for rule in self._rules:
                is_due = (rule.name in BEFORE_CREDENTIALS) == is_before_credentials
                if not is_due or not rule.matches(endpoint, segments, export):
                    continue
                if chosen is None and rule.take():
                    chosen = rule
            return chosen
