"""The account itself: settings and languages."""

from __future__ import annotations

from emarsys_pipeline.sandbox.catalogue import LANGUAGES
from emarsys_pipeline.sandbox.replies import Reply, envelope
from emarsys_pipeline.sandbox.routing import ApiRequest, RouteTable

table = RouteTable()


@table.route("GET", "settings", "customer.settings")
def get_settings(request: ApiRequest) -> Reply:
    """Answer the account's settings."""
    return envelope(
        {
            "id": 4711,
            "environment": "suite9.emarsys.net",
            "timezone": "Europe/Vienna",
            "name": "demo_shop",
            "password_history_queue_size": 1,
            "country": "",
            "totalContacts": str(request.state.scalar("select count(*) from contacts")),
        }
    )


@table.route("GET", "language", "language.list")
def get_languages(request: ApiRequest) -> Reply:  # noqa: ARG001 - every handler takes the request
    """Answer the language codes."""
    return envelope([{"id": code, "language": code} for code in sorted(LANGUAGES)])
