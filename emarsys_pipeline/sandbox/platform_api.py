"""The messaging platform's contact API, shaped after charles's published contact upsert.

``PUT /api/v1beta/contacts`` with ``x-api-key``. Published are the address, the header and the keys
of the body; assumed here are: an unknown key is refused; a contact is found by its external
reference, else by phone number, else by e-mail address among those without a reference, else made;
each key that is sent replaces what was there, a key that is not sent leaves it; a custom property
that is null is removed. The contact's own number and address, by which the platform reached it
first, stay. Consent has no place in it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import duckdb
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from emarsys_pipeline.sandbox.answers import http_date, send_answer
from emarsys_pipeline.sandbox.fault_answers import answer_of_fault
from emarsys_pipeline.sandbox.gate import Answer
from emarsys_pipeline.sandbox.replies import ApiError, Reply, json_reply
from emarsys_pipeline.sandbox.state import State, next_id, utc_now

PATH = "/api/v1beta/contacts"
ENDPOINT = "PUT platform/contacts"
API_KEY = "sandbox-platform-key"
MAX_BODY_BYTES = 1_000_000

_NAMES = ("first_name", "middle_name", "last_name")
_LISTS = {"phone_numbers": "phone_numbers", "email_address": "email_addresses"}
_KEYS = {"external_reference_id", "source_type", "custom_properties", "tags", *_NAMES, *_LISTS}


class ContactApi:
    """Serves the contact API: credentials, then faults, then the upsert."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._answering: Counter[str] = Counter()
        self._lock = threading.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        try:
            body = await request.body()
        except ClientDisconnect:
            return
        key = request.headers.get("x-api-key", "")
        reference = _reference(body)
        with self._lock:
            self._answering[reference] += 1
            is_overlapping = self._answering[reference] > 1
        try:
            answer = await run_in_threadpool(self._answer, key, body, is_overlapping=is_overlapping)
            headers = {"Content-Type": answer.reply.content_type, "Date": http_date(0)}
            headers.update(answer.headers)
            await send_answer(answer, headers, scope, send)
        finally:
            with self._lock:
                self._answering[reference] -= 1

    def _answer(self, key: str, body: bytes, *, is_overlapping: bool) -> Answer:
        answer = Answer(Reply(b""))
        logged = self._state.next_request("PUT", PATH, "platform")
        try:
            _require_key(key)
            answer.fault = self._state.faults.take(ENDPOINT, set(), None)
            spoilt = answer.fault and answer_of_fault(answer.fault, answer.headers)
            answer.reply = spoilt or self._upsert(body, is_overlapping=is_overlapping)
        except ApiError as error:
            answer.reply = json_reply({"error": error.reply_text}, error.http_status)
            if error.http_status == _TOO_MANY and "X-RateLimit-Reset" in answer.headers:
                wait_seconds = answer.fault.details.get("wait_seconds", 2) if answer.fault else 2
                answer.headers = {"Retry-After": str(wait_seconds)}
        logged.http_status = answer.reply.http_status
        logged.fault = answer.fault.name if answer.fault else None
        return answer

    def _upsert(self, body: bytes, *, is_overlapping: bool) -> Reply:
        if len(body) > MAX_BODY_BYTES:
            raise ApiError(413, 0, "The body is too large.")
        contact = _validated(body)
        with self._state.write() as connection:
            contact_id = _apply(connection, contact)
            sequence = next_id(connection, "platform_upserts", "sequence", 1)
            connection.execute(
                "insert into platform_upserts values (?, ?, ?, ?, ?, ?)",
                [
                    sequence,
                    utc_now(),
                    contact["external_reference_id"],
                    contact_id,
                    is_overlapping,
                    body.decode(),
                ],
            )
        document = {"id": contact_id, "external_reference_id": contact["external_reference_id"]}
        return json_reply({"count": 1, "data": [document]})


_TOO_MANY = 429


def _require_key(key: str) -> None:
    if not hmac.compare_digest(key.encode(), API_KEY.encode()):
        raise ApiError(401, 0, "The API key is missing or wrong.")


def _reference(body: bytes) -> str:
    try:
        return str(json.loads(body)["external_reference_id"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def _refused(text: str) -> ApiError:
    return ApiError(400, 0, text)


def _validated(body: bytes) -> dict[str, Any]:
    """The body, if every key has the form that is published.

    Raises:
        ApiError: it has not.
    """
    try:
        contact = json.loads(body)
    except (ValueError, RecursionError):
        raise _refused("The body is no JSON.") from None
    if not isinstance(contact, dict):
        raise _refused("The body is no object.")
    unknown = sorted(set(contact) - _KEYS)
    if unknown:
        raise _refused(f"Unknown key: {', '.join(unknown)}.")
    for name in ("external_reference_id", "source_type"):
        if not isinstance(contact.get(name), str) or not contact[name]:
            raise _refused(f"{name} is required.")
    _require_forms(contact)
    return contact


def _require_forms(contact: dict[str, Any]) -> None:
    for name in _NAMES:
        if not isinstance(contact.get(name), str | None):
            raise _refused(f"{name} is no text.")
    for name in _LISTS:
        _require_values(name, contact.get(name, []))
    if not isinstance(contact.get("custom_properties", {}), dict):
        raise _refused("custom_properties is no object.")
    tags = contact.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise _refused("tags is no list of texts.")


def _require_values(name: str, items: Any) -> None:
    is_list = isinstance(items, list) and all(
        isinstance(item, dict) and isinstance(item.get("value"), str) and item["value"]
        for item in items
    )
    if not is_list:
        raise _refused(f"{name} is no list of objects with a value.")
    for item in items:
        value = item["value"]
        if name == "phone_numbers" and not value.removeprefix("+").isdigit():
            raise _refused(f"{value} is no phone number.")


def _apply(connection: duckdb.DuckDBPyConnection, contact: dict[str, Any]) -> str:
    """Write the contact and its profile; return the platform's id of it."""
    reference = contact["external_reference_id"]
    phones = [item["value"] for item in contact.get("phone_numbers", [])]
    emails = [item["value"] for item in contact.get("email_address", [])]
    held = connection.execute(
        "select * exclude (updated_at) from platform_profiles where external_reference_id = ?",
        [reference],
    ).fetchone()
    names = [column[0] for column in connection.description or ()]
    profile: dict[str, Any] = dict(zip(names, held, strict=True)) if held else {}
    contact_id = profile.get("platform_contact_id") or _find(connection, phones, emails)
    if contact_id is None:
        contact_id = "pc_" + hashlib.sha256(f"upsert-{reference}".encode()).hexdigest()[:16]
        connection.execute(
            "insert into platform_contacts (platform_contact_id) values (?)", [contact_id]
        )
    for key, column in _LISTS.items():
        if key in contact:
            profile[column] = [item["value"] for item in contact[key]]
    for key in (*_NAMES, "source_type", "tags"):
        if key in contact:
            profile[key] = contact[key]
    properties = json.loads(profile.get("custom_properties") or "{}")
    properties |= contact.get("custom_properties", {})
    kept = {name: value for name, value in sorted(properties.items()) if value is not None}
    _write(connection, reference, contact_id, profile | {"custom_properties": json.dumps(kept)})
    return str(contact_id)


def _find(
    connection: duckdb.DuckDBPyConnection, phones: list[str], emails: list[str]
) -> str | None:
    """A contact without a reference, by number, then by address; the first id of several."""
    row = connection.execute(
        "select platform_contact_id from platform_contacts"
        " where (list_contains($phones::varchar[], phone)"
        " or list_contains($emails::varchar[], email))"
        " and platform_contact_id not in (select p.platform_contact_id from platform_profiles p)"
        " order by list_contains($phones::varchar[], phone) desc nulls last, platform_contact_id"
        " limit 1",
        {"phones": phones, "emails": emails},
    ).fetchone()
    return None if row is None else str(row[0])


def _write(
    connection: duckdb.DuckDBPyConnection, reference: str, contact_id: str, profile: dict[str, Any]
) -> None:
    moment = utc_now()
    connection.execute("delete from platform_profiles where external_reference_id = ?", [reference])
    connection.execute(
        "insert into platform_profiles values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            reference,
            contact_id,
            profile.get("source_type"),
            *(profile.get(name) for name in _NAMES),
            profile.get("phone_numbers") or [],
            profile.get("email_addresses") or [],
            profile["custom_properties"],
            profile.get("tags") or [],
            moment,
        ],
    )
    connection.execute(
        "update platform_contacts set phone = coalesce(phone, $phone),"
        " email = coalesce(email, $email), first_name = coalesce($first, first_name),"
        " last_name = coalesce($last, last_name), updated_at = $moment"
        " where platform_contact_id = $contact_id",
        {
            "phone": next(iter(profile.get("phone_numbers") or []), None),
            "email": next(iter(profile.get("email_addresses") or []), None),
            "first": profile.get("first_name"),
            "last": profile.get("last_name"),
            "moment": moment,
            "contact_id": contact_id,
        },
    )


def profile_documents(state: State) -> Iterator[dict[str, Any]]:
    """Give what the upserts made of each contact, in order of reference."""
    names = (
        *("external_reference_id", "platform_contact_id", "source_type", *_NAMES),
        *("phone_numbers", "email_addresses", "custom_properties", "tags"),
    )
    rows = state.rows(
        f"select {', '.join(names)} from platform_profiles order by 1"  # noqa: S608 - of ours
    )
    for row in rows:
        document = dict(zip(names, row, strict=True))
        yield document | {"custom_properties": json.loads(document["custom_properties"])}


def upsert_documents(state: State, after: int = 0) -> Iterator[dict[str, Any]]:
    """Give the upserts that were applied, in order."""
    rows = state.rows(
        "select sequence, external_reference_id, platform_contact_id, is_overlapping, body"
        " from platform_upserts where sequence > ? order by sequence",
        [after],
    )
    for sequence, reference, contact_id, is_overlapping, body in rows:
        yield {
            "sequence": sequence,
            "external_reference_id": reference,
            "platform_contact_id": contact_id,
            "is_overlapping": is_overlapping,
            "body": json.loads(body),
        }
