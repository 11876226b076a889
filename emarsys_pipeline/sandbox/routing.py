"""Paths and parameters of a request, in every spelling that real clients use.

Parameters come as query, as a path segment (``export/1/data/offset=0&limit=10``) or as a JSON body
(also on GET); a slash at the end of a path means nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from emarsys_pipeline.sandbox.replies import ApiError, Reply

if TYPE_CHECKING:
    from emarsys_pipeline.sandbox.exports import ExportRunner
    from emarsys_pipeline.sandbox.faults import FaultRule
    from emarsys_pipeline.sandbox.state import State

_MAX_DIGITS = 18
KNOWN_METHODS = ("GET", "POST", "PUT", "DELETE")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequest:
    """One call of an endpoint, after credentials and permission were accepted.

    Attributes:
        state: the account.
        runner: what writes the files of exports.
        number: sequence number of the request in the sandbox's log.
        path_values: the parts of the path named by the route, for example ``{"id": "7"}``.
        parameters: query and path-segment parameters.
        body: the parsed JSON body; ``{}`` when there is none.
        fault: the scripted fault that this request meets, if its handler has to act on it.
        base_url: scheme, host and API version, for example ``http://127.0.0.1:8025/api/v2``.
    """

    state: State
    runner: ExportRunner
    number: int
    path_values: dict[str, str]
    parameters: dict[str, str]
    body: Any
    base_url: str = ""
    fault: FaultRule | None = None

    def value(self, name: str, default: Any = None) -> Any:
        """Return a parameter, from wherever it was sent; the body wins."""
        if isinstance(self.body, dict) and name in self.body:
            return self.body[name]
        return self.parameters.get(name, default)

    @property
    def fields(self) -> dict[str, Any]:
        """The JSON object of the body; refused when the body is something else."""
        if not isinstance(self.body, dict):
            raise ApiError(400, 1016, "Invalid input type: body")
        return self.body


Handler = Callable[[ApiRequest], Reply]


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint: method, path pattern with ``{name}`` parts, permission and handler.

    ``permissions``: any one of them opens the endpoint.
    """

    method: str
    pattern: str
    permissions: tuple[str, ...]
    handler: Handler

    @property
    def name(self) -> str:
        """Method and pattern, as fault rules name it: ``PUT contact``."""
        return f"{self.method} {self.pattern}"


class RouteTable:
    """The endpoints of one area of the API."""

    def __init__(self) -> None:
        self.routes: list[Route] = []

    def route(self, method: str, pattern: str, *permissions: str) -> Callable[[Handler], Handler]:
        """Register the decorated handler for an endpoint."""

        def register(handler: Handler) -> Handler:
            self.routes.append(Route(method, pattern, permissions, handler))
            return handler

        return register


@dataclass(frozen=True, slots=True)
class Match:
    """A route and the values of its path's named parts."""

    route: Route
    path_values: dict[str, str]


def split_path(path: str) -> tuple[tuple[str, ...], dict[str, str]]:
    """Split a raw path below the version into its segments and the parameters written in it."""
    segments: list[str] = []
    parameters: dict[str, str] = {}
    for part in path.split("/"):
        if "=" in part:
            parameters.update(parse_qsl(part, keep_blank_values=True))
        elif part:
            segments.append(unquote(part))
    return tuple(segments), parameters


def parse_body(raw: bytes) -> Any:
    """Parse a JSON body; an empty one is an empty object.

    Raises:
        ApiError: the body is not JSON.
    """
    if not raw.strip():
        return {}
    try:
        parsed = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, 1010, "Invalid request payload.") from error
    # PHP clients send an empty map as a list.
    return {} if parsed == [] else parsed


def find_route(routes: Iterable[Route], method: str, segments: tuple[str, ...]) -> Match:
    """Return the route for a path.

    Raises:
        ApiError: no such path, an id that is not a number, or a method the path does not take.
    """
    if method not in KNOWN_METHODS:
        raise ApiError(501, 1, f"Method {method} is not supported.")
    allowed: list[str] = []
    malformed: str | None = None
    for route in routes:
        values = _path_values(route.pattern.split("/"), segments)
        if values is None:
            continue
        bad = [value for name, value in values.items() if not _is_accepted(name, value)]
        if bad:
            malformed = bad[0]
        elif route.method == method:
            return Match(route, values)
        else:
            allowed.append(route.method)
    if allowed:
        raise ApiError(400, 1009, "Invalid HTTP method.")
    raise ApiError(400, 1, f"Action {malformed or '/'.join(segments)} is invalid.")


def _path_values(names: list[str], segments: tuple[str, ...]) -> dict[str, str] | None:
    """Return the values of a pattern's named parts; None when the path has another form."""
    if len(names) != len(segments):
        return None
    values: dict[str, str] = {}
    for name, segment in zip(names, segments, strict=True):
        if name.startswith("{"):
            values[name[1:-1]] = segment
        elif name != segment:
            return None
    return values


def is_number(text: str) -> bool:
    """Return whether a text is a number that fits into 64 bits: digits only, and not too many."""
    return text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS


def _is_accepted(name: str, value: str) -> bool:
    """Return whether a part of a path has the form of its kind: ids are numbers."""
    if name in ("language", "runId"):
        return True
    return is_number(value)
