"""Describes the served API: OpenAPI for machines, a page at ``/`` for people."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from emarsys_pipeline.sandbox.faults import FAULTS
from emarsys_pipeline.sandbox.routing import Route as ApiRoute
from emarsys_pipeline.sandbox.state import State

_PAGE = """<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><title>Emarsys sandbox</title>
<style>body{{font:16px/1.5 system-ui;margin:2rem auto;max-width:60rem;padding:0 1rem}}
td{{padding:.1rem 1rem .1rem 0;vertical-align:top}}code{{background:#eee}}</style>
<h1>Emarsys sandbox</h1>
<p>An emulated account with {contacts} contacts. API v2 takes WSSE, v3 takes a bearer token from
<code>POST /oauth2/token</code>. Machines read <a href="/openapi.json">/openapi.json</a>.</p>
<h2>Endpoints</h2><table>{endpoints}</table>
<h2>Faults</h2><p>Set one with <code>POST /control/faults</code>.</p><table>{faults}</table></html>
"""


def openapi_document(routes: Sequence[ApiRoute]) -> dict[str, Any]:
    """Return an OpenAPI 3.1 description of the endpoints, under both versions."""
    paths: dict[str, dict[str, Any]] = {}
    for version, scheme in (("v2", "wsse"), ("v3", "bearer")):
        for route in routes:
            operation = {
                "summary": (route.handler.__doc__ or "").strip().splitlines()[0],
                "operationId": f"{version} {route.name}",
                "security": [{scheme: []}],
                "x-permissions": list(route.permissions),
                "parameters": [
                    {
                        "name": part[1:-1],
                        "in": "path",
                        "required": True,
                        "schema": {"type": "string"},
                    }
                    for part in route.pattern.split("/")
                    if part.startswith("{")
                ],
                "responses": {
                    "200": {"$ref": "#/components/responses/Envelope"},
                    "4XX": {"$ref": "#/components/responses/Envelope"},
                },
            }
            if route.method in ("POST", "PUT"):
                schema = {"application/json": {"schema": {"type": "object"}}}
                operation["requestBody"] = {"content": schema}
            paths.setdefault(f"/api/{version}/{route.pattern}", {})[route.method.lower()] = (
                operation
            )
    return {
        "openapi": "3.1.0",
        "info": {"title": "Emarsys sandbox", "version": "1"},
        "paths": paths,
        "components": {
            "securitySchemes": {
                "wsse": {"type": "apiKey", "in": "header", "name": "X-WSSE"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
            "responses": {
                "Envelope": {
                    "description": "The API's envelope; an export's data is text/csv instead.",
                    "content": {"application/json": {"schema": _ENVELOPE}},
                }
            },
        },
    }


_ENVELOPE = {
    "type": "object",
    "required": ["replyCode", "replyText", "data"],
    "properties": {
        "replyCode": {"type": "integer"},
        "replyText": {"type": "string"},
        "data": {},
    },
}


def description_routes(state: State, routes: Sequence[ApiRoute]) -> list[Route]:
    """Return the routes of the page and of the OpenAPI description."""

    def page(_request: Request) -> Response:
        endpoints = "".join(
            f"<tr><td>{route.method}<td><code>{html.escape(route.pattern)}</code>"
            f"<td>{html.escape((route.handler.__doc__ or '').strip().splitlines()[0])}"
            for route in sorted(routes, key=lambda route: (route.pattern, route.method))
        )
        faults = "".join(
            f"<tr><td><code>{name}</code><td>{html.escape(text)}" for name, text in FAULTS.items()
        )
        count = state.scalar("select count(*) from contacts")
        return HTMLResponse(_PAGE.format(contacts=f"{count:,}", endpoints=endpoints, faults=faults))

    def openapi(_request: Request) -> Response:
        return JSONResponse(openapi_document(routes))

    return [Route("/", page), Route("/openapi.json", openapi)]
