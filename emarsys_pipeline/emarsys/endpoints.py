"""What all groups of calls share: reading and writing through one transport."""

from collections.abc import Mapping
from typing import Any

from emarsys_pipeline.emarsys.transport import Request, Transport, json_content


class Endpoints:
    """Base of the groups of calls that make up ``EmarsysClient``."""

    _transport: Transport

    def _get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """The ``data`` of a GET, which may always be repeated."""
        request = Request(method="GET", path=path, query=query or {}, is_repeatable=True)
        return self._transport.call(request)

    def _post(self, path: str, body: object, *, is_repeatable: bool) -> Any:
        """The ``data`` of a POST; the caller says whether repeating it is harmless."""
        content = json_content(body)
        request = Request(method="POST", path=path, content=content, is_repeatable=is_repeatable)
        return self._transport.call(request)
