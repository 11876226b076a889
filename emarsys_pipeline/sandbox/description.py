"""Describes the served API: OpenAPI for machines, a page at ``/`` for people."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from emarsys_pipeline.sandbox.control import ABOUT
from emarsys_pipeline.sandbox.faults import FAULTS
from emarsys_pipeline.sandbox.routing import Route as ApiRoute
from emarsys_pipeline.sandbox.schemas import (
    ANYTHING,
    BODIES,
    DATA,
    EMPTY,
    NUMBER,
    OPTIONAL_TEXT,
    QUERIES,
    TEXT,
    either,
    fields,
    many,
)
from emarsys_pipeline.sandbox.segments import list_segments
from emarsys_pipeline.sandbox.state import State
from emarsys_pipeline.sandbox.switches import SWITCHES

_PAGE = """<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><title>Emarsys sandbox</title>
<style>body{{font:16px/1.5 system-ui;margin:2rem auto;max-width:64rem;padding:0 1rem}}
td{{padding:.1rem 1rem .1rem 0;vertical-align:top}}code,pre{{background:#eee}}</style>
<h1>Emarsys sandbox</h1>
<p>An emulated Emarsys account with {contacts} contacts, and the messaging platform beside it.
Clients of the real API work here unchanged apart from the base URL. Nothing here is real: not the
people, not the secrets.</p>
<h2>Sign in</h2>
<p>API v2 under <code>/api/v2</code> takes WSSE: user {users}.<br>API v3 under <code>/api/v3</code>
takes a bearer token from <code>POST /oauth2/token</code>: client {clients}.<br>Machines read
<a href="/openapi.json">/openapi.json</a>.</p>
<h2>Direct it</h2>
<pre>emarsys-pipeline sandbox advance 12h
emarsys-pipeline sandbox decide granted --count 20
emarsys-pipeline sandbox webhooks http://127.0.0.1:8026/webhooks/platform/consent
emarsys-pipeline sandbox fault commit_then_drop "PUT contact" --after 2
emarsys-pipeline sandbox clear</pre>
<h2>Segments</h2><table>{segments}</table>
<h2>Endpoints</h2><table>{endpoints}</table>
<h2>Faults</h2><p>A rule names a fault and the requests it meets.</p><table>{faults}</table>
<h2>Control</h2><p>Everything below is under <code>/control</code>; tests and people may use it,
clients do not.</p><table>{control}</table>
<h2>Switches</h2><p>Where the sources on Emarsys disagree, a switch chooses. Now:</p>
<table>{switches}</table></html>
"""


def openapi_document(routes: Sequence[ApiRoute]) -> dict[str, Any]:
    """Return an OpenAPI 3.1 description of the endpoints, under both versions."""
    paths: dict[str, Any] = {}
    for version, scheme in (("v2", "wsse"), ("v3", "bearer")):
        for route in routes:
            operations = paths.setdefault(f"/api/{version}/{route.pattern}", {})
            operations[route.method.lower()] = _operation(route, version, scheme)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Emarsys sandbox", "version": "1"},
        "paths": {**paths, "/oauth2/token": {"post": _TOKEN}},
        "components": {
            "securitySchemes": {
                "wsse": {"type": "apiKey", "in": "header", "name": "X-WSSE"},
                "bearer": {
                    "type": "oauth2",
                    "flows": {"clientCredentials": {"tokenUrl": "/oauth2/token", "scopes": {}}},
                },
                "client": {"type": "http", "scheme": "basic"},
            },
            "responses": {"Refusal": _json_response("A refusal in the envelope.", _REFUSAL_DATA)},
            "headers": {name: {"schema": {"type": "integer"}} for name in _RATE_HEADERS},
        },
    }


def _operation(route: ApiRoute, version: str, scheme: str) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": _summary(route),
        "operationId": f"{version} {route.name}",
        "tags": [route.pattern.partition("/")[0]],
        "security": [{scheme: []}],
        "x-permissions": list(route.permissions),
        "parameters": [
            *(
                {"name": part[1:-1], "in": "path", "required": True, "schema": TEXT}
                for part in route.pattern.split("/")
                if part.startswith("{")
            ),
            *(
                {"name": name, "in": "query", "schema": schema}
                for name, schema in QUERIES.get(route.name, {}).items()
            ),
        ],
        "responses": {
            "200": _success(route.name),
            **{status: {"$ref": "#/components/responses/Refusal"} for status in _REFUSAL_STATUSES},
        },
    }
    if route.method in ("POST", "PUT"):
        schema = BODIES.get(route.name, {"type": "object"})
        operation["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    return operation


def _success(name: str) -> dict[str, Any]:
    if name == "GET export/{id}/data":
        content = {"text/csv": {"schema": {"type": "string"}}}
        return {"description": "The records, the header first.", "content": content}
    if name == "GET contactlist/{id}/contactIds":
        page = fields(value=many(NUMBER), next=OPTIONAL_TEXT)
        content = {"application/json": {"schema": page}}
        return {"description": "A page, without the envelope.", "content": content}
    return _json_response("Success.", DATA.get(name, {}))


def _json_response(description: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "description": description,
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in _RATE_HEADERS},
        "content": {
            "application/json": {"schema": fields(replyCode=NUMBER, replyText=TEXT, data=data)}
        },
    }


# 202: a segment is being evaluated. 5012 lists in data what stands in the way.
_REFUSAL_STATUSES = ("202", "400", "401", "403", "404", "410", "413", "423", "429", "500")
_REFUSAL_DATA = either(EMPTY, many(ANYTHING))
_RATE_HEADERS = ("X-RateLimit-Limit", "X-Ratelimit-Remaining", "X-RateLimit-Reset")
_TOKEN = {
    "summary": "Issue a bearer token for API v3.",
    "operationId": "token",
    "security": [{"client": []}],
    "requestBody": {
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": fields(grant_type={"const": "client_credentials"})
            }
        }
    },
    "responses": {
        "200": {
            "description": "A token.",
            "content": {
                "application/json": {
                    "schema": fields(access_token=TEXT, token_type=TEXT, expires_in=NUMBER)
                }
            },
        },
        "401": {"description": "The client is unknown, or its secret is wrong."},
    },
}


def _rows(pairs: Iterable[tuple[str, str]]) -> str:
    return "".join(
        f"<tr><td><code>{html.escape(name)}</code><td>{html.escape(text)}" for name, text in pairs
    )


def _credentials(secrets: dict[str, str]) -> str:
    return ", ".join(
        f"<code>{html.escape(name)}</code> with <code>{html.escape(secret)}</code>"
        for name, secret in secrets.items()
    )


def _summary(route: ApiRoute) -> str:
    return (route.handler.__doc__ or "").strip().splitlines()[0]


def description_routes(state: State, routes: Sequence[ApiRoute]) -> list[Route]:
    """Return the routes of the page and of the OpenAPI description."""

    def page(_request: Request) -> Response:
        ordered = sorted(routes, key=lambda route: (route.pattern, route.method))
        count = state.scalar("select count(*) from contacts")
        return HTMLResponse(
            _PAGE.format(
                contacts=f"{count:,}",
                users=_credentials(state.setting("wsse_secrets")),
                clients=_credentials(state.setting("oauth_secrets")),
                segments=_rows((str(s.segment_id), s.name) for s in list_segments(state)),
                endpoints=_rows((route.name, _summary(route)) for route in ordered),
                faults=_rows(FAULTS.items()),
                control=_rows(ABOUT.items()),
                switches=_rows((name, repr(state.setting(name))) for name in SWITCHES),
            )
        )

    def openapi(_request: Request) -> Response:
        return JSONResponse(openapi_document(routes))

    return [Route("/", page), Route("/openapi.json", openapi)]
