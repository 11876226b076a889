"""The control API under ``/control``: what a test or a person may do to the sandbox itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from emarsys_pipeline.sandbox import oauth, platform, platform_api, truth
from emarsys_pipeline.sandbox.advance import advance, parse_duration
from emarsys_pipeline.sandbox.faults import FAULTS
from emarsys_pipeline.sandbox.permissions import switch_permissions
from emarsys_pipeline.sandbox.state import State
from emarsys_pipeline.sandbox.switches import SWITCHES
from emarsys_pipeline.sandbox.webhooks import Delivery, send_all, send_in_background

Action = Callable[[dict[str, Any]], Any]


def _lines(documents: Iterable[dict[str, Any]]) -> Iterator[str]:
    held: list[str] = []
    for document in documents:
        held.append(json.dumps(document, ensure_ascii=False) + "\n")
        if len(held) == 2000:
            yield "".join(held)
            held = []
    yield "".join(held)


def _action(path: str, action: Action, method: str = "POST") -> Route:
    """Return a route that runs an action on the query or the JSON body, in a worker thread."""

    async def endpoint(request: Request) -> Response:
        body = await request.body()
        values: dict[str, Any] = dict(request.query_params)
        try:
            values |= json.loads(body) if body else {}
            result = await run_in_threadpool(action, values)
        except (ValueError, KeyError, TypeError) as error:
            return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 400)
        if isinstance(result, Iterator):
            return StreamingResponse(_lines(result), media_type="application/x-ndjson")
        return JSONResponse(result)

    return Route(path, endpoint, methods=[method])


class _Control:
    def __init__(self, state: State) -> None:
        self.state = state

    def info(self, _values: dict[str, Any]) -> Any:
        names = ("seed", "contacts", "step", "permissions_off")
        return {
            "ready": True,
            **{name: self.state.setting(name) for name in names},
            "switches": {name: self.state.setting(name) for name in SWITCHES},
        }

    def advance(self, values: dict[str, Any]) -> Any:
        return advance(self.state, parse_duration(values["duration"]))

    def switches(self, values: dict[str, Any]) -> Any:
        unknown = sorted(set(values) - set(SWITCHES))
        if unknown:
            raise ValueError(f"no such switch: {', '.join(unknown)}")
        self.state.save_settings(values)
        return values

    def add_fault(self, values: dict[str, Any]) -> Any:
        rule = self.state.faults.add(values)
        return {"name": rule.name, "endpoint": rule.endpoint}

    def clear_faults(self, _values: dict[str, Any]) -> Any:
        self.state.faults.clear()
        return {}

    def permissions(self, values: dict[str, Any]) -> Any:
        return {
            "off": switch_permissions(
                self.state,
                values["credential"],
                on=values.get("on", ()),
                off=values.get("off", ()),
            )
        }

    def credentials(self, values: dict[str, Any]) -> Any:
        saved: dict[str, Any] = {}
        for kind, name, secret in (
            ("wsse_secrets", "username", "secret"),
            ("oauth_secrets", "client_id", "client_secret"),
        ):
            if name in values:
                saved[kind] = {
                    **(self.state.setting(kind) or {}),
                    values[name]: values[secret],
                }
        self.state.save_settings(saved)
        return {}

    def revoke_tokens(self, _values: dict[str, Any]) -> Any:
        oauth.revoke_tokens(self.state)
        return {}

    def requests(self, values: dict[str, Any]) -> Any:
        after = int(values.get("after", 0))
        return iter(
            [truth.request_document(r) for r in list(self.state.requests) if r.sequence > after]
        )

    def decide(self, values: dict[str, Any]) -> Any:
        status = values["status"]
        chosen = values.get("contact_ids")
        if chosen is None:
            chosen = platform.choose_contacts(self.state, int(values["count"]))
        moment = values.get("occurred_at")
        event_ids = platform.decide(
            self.state,
            chosen,
            status,
            channel=values.get("channel", "whatsapp"),
            occurred_at=None if moment is None else _utc(moment),
        )
        return {"events": list(platform.consent_documents(self.state, event_ids=event_ids))}

    def send_consents(self, values: dict[str, Any]) -> Any:
        since = values.pop("since", None)
        event_ids = values.pop("event_ids", None)
        documents = list(
            platform.consent_documents(
                self.state, since=None if since is None else _utc(since), event_ids=event_ids
            )
        )
        return self._send(documents, values)

    def subscribe(self, values: dict[str, Any]) -> Any:
        platform.subscribe(self.state, values)
        return self.subscription({})

    def unsubscribe(self, _values: dict[str, Any]) -> Any:
        platform.subscribe(self.state, None)
        return self.subscription({})

    def subscription(self, _values: dict[str, Any]) -> Any:
        delivery = self.state.setting(platform.SUBSCRIPTION)
        if delivery is None:
            return {}
        return {name: value for name, value in delivery.items() if name != "secret"}

    def send_automation(self, values: dict[str, Any]) -> Any:
        return self._send(values.pop("documents"), {"auth": "jwt", **values})

    def _send(self, documents: list[dict[str, Any]], values: dict[str, Any]) -> Any:
        in_background = values.pop("in_background", False)
        delivery = Delivery(**values)
        if in_background:
            send_in_background(documents, delivery)
            return {"queued": len(documents)}
        return send_all(documents, delivery)

    def upserts(self, values: dict[str, Any]) -> Any:
        return platform_api.upsert_documents(self.state, int(values.get("after", 0)))

    def consents(self, values: dict[str, Any]) -> Any:
        since = values.get("since")
        return platform.consent_documents(self.state, since=None if since is None else _utc(since))


def _utc(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


# What each call of the control API is for, as the page at ``/`` tells it.
ABOUT = {
    "GET /info": "How the account was made, and the switches.",
    "POST /advance": 'Let time pass: {"duration": "12h"}.',
    "POST /switches": "Choose between variants of Emarsys: names and values.",
    "GET /faults/names": "Every fault with a sentence.",
    "GET /faults": "The rules in force, and how many requests each met.",
    "POST /faults": 'Add a rule: {"name": ..., "endpoint": "PUT contact", "after": 2, "times": 1}.',
    "DELETE /faults": "Forget all rules.",
    "POST /permissions": 'Switch permissions: {"credential": ..., "on": [...], "off": [...]}.',
    "POST /credentials": "Accept a further username and secret, or client_id and client_secret.",
    "POST /tokens/revoke": "Make every bearer token issued so far invalid.",
    "GET /requests": "The last 10,000 requests in the order received; after=SEQUENCE narrows them.",
    "GET /log": "Values written to contacts in order; contact_id, field, after, source narrow.",
    "GET /contacts/values": "What every contact holds in a field: field=10500, only_set=1.",
    "POST /contacts/import": "Write values in a way that getchanges does not report.",
    "POST /segments/move": 'Move members: {"segment": ..., "add": [...], "remove": [...]}.',
    "GET /events/triggers": "The external event triggers received, in order.",
    "GET /truth/persons": "Who is the same person: contacts and platform contacts by person.",
    "GET /truth/consents": "The newest decision of each person and channel.",
    "GET /platform/contacts": "The messaging platform's contacts.",
    "GET /platform/profiles": "What contact upserts made of each contact, by external reference.",
    "GET /platform/upserts": "The contact upserts applied, in order; after=SEQUENCE narrows them.",
    "GET /platform/consents": "The decisions made on the platform, in order; since=MOMENT.",
    "POST /platform/decide": 'Let people decide: {"status": "granted", "count": 20}.',
    "POST /platform/webhooks": 'Send decisions once: {"url": ..., "duplicates": 2, ...}.',
    "GET /platform/subscription": "Where further decisions are sent.",
    "POST /platform/subscription": 'Send each further decision at once: {"url": ..., ...}.',
    "DELETE /platform/subscription": "Send no further decisions.",
    "POST /automation/webhooks": 'Send as an automation: {"url": ..., "documents": [...]}.',
}


def control_routes(state: State) -> list[Route]:
    """Return the routes of the control API."""
    control = _Control(state)
    return [
        _action("/info", control.info, "GET"),
        _action("/advance", control.advance),
        _action("/switches", control.switches),
        _action("/faults/names", lambda _values: FAULTS, "GET"),
        _action("/faults", lambda _values: state.faults.documents(), "GET"),
        _action("/faults", control.add_fault),
        _action("/faults", control.clear_faults, "DELETE"),
        _action("/permissions", control.permissions),
        _action("/credentials", control.credentials),
        _action("/tokens/revoke", control.revoke_tokens),
        _action("/requests", control.requests, "GET"),
        _action("/log", lambda values: truth.field_writes(state, values), "GET"),
        _action("/contacts/values", lambda values: truth.field_values(state, values), "GET"),
        _action("/contacts/import", lambda values: truth.import_silently(state, values)),
        _action("/segments/move", lambda values: truth.move_members(state, values)),
        _action("/events/triggers", lambda _values: truth.event_triggers(state), "GET"),
        _action("/truth/persons", lambda _values: truth.persons(state), "GET"),
        _action("/truth/consents", lambda _values: truth.latest_consents(state), "GET"),
        _action("/platform/contacts", lambda _v: platform.contact_documents(state), "GET"),
        _action("/platform/profiles", lambda _v: platform_api.profile_documents(state), "GET"),
        _action("/platform/upserts", control.upserts, "GET"),
        _action("/platform/consents", control.consents, "GET"),
        _action("/platform/decide", control.decide),
        _action("/platform/webhooks", control.send_consents),
        _action("/platform/subscription", control.subscription, "GET"),
        _action("/platform/subscription", control.subscribe),
        _action("/platform/subscription", control.unsubscribe, "DELETE"),
        _action("/automation/webhooks", control.send_automation),
    ]
