"""Permissions of a credential, each switchable."""

from __future__ import annotations

from collections.abc import Iterable

from emarsys_pipeline.sandbox.replies import ApiError
from emarsys_pipeline.sandbox.state import State

# The same permission under the names of different pages of the documentation.
_SAME = {
    "contact.single": "contact.singleUpdate",
    "field.multichoice.list": "field.multichoice.get",
    "field.singlechoice.get": "field.singlechoice.list",
}


def official_name(name: str) -> str:
    """Return the one name under which a permission is kept."""
    return _SAME.get(name, name)


def require_permission(state: State, credential: str, permissions: Iterable[str]) -> None:
    """Refuse a credential that has none of the permissions that open an endpoint.

    Raises:
        ApiError: 403.
    """
    switched_off = set((state.setting("permissions_off") or {}).get(credential, ()))
    if all(official_name(name) in switched_off for name in permissions):
        raise ApiError(403, 1, "Forbidden")


def switch_permissions(
    state: State, credential: str, *, on: Iterable[str] = (), off: Iterable[str] = ()
) -> list[str]:
    """Switch permissions of a credential; return those that are now off."""
    settings = dict(state.setting("permissions_off") or {})
    switched_off = set(settings.get(credential, ()))
    switched_off |= {official_name(name) for name in off}
    switched_off -= {official_name(name) for name in on}
    settings[credential] = sorted(switched_off)
    state.save_settings({"permissions_off": settings})
    return sorted(switched_off)
