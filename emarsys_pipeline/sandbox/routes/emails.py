"""E-mail campaigns, of which the account has none: enough for clients that list them."""

from __future__ import annotations

from emarsys_pipeline.sandbox.replies import Reply, envelope
from emarsys_pipeline.sandbox.routing import ApiRequest, RouteTable

table = RouteTable()


@table.route("GET", "email", "email.list")
def list_emails(request: ApiRequest) -> Reply:  # noqa: ARG001 - every handler takes the request
    """Answer the e-mail campaigns: none."""
    return envelope([])


@table.route("POST", "email/responses", "email.responses")
def start_responses(request: ApiRequest) -> Reply:
    """Start a query for the contacts that responded to a campaign."""
    return envelope({"id": request.number})


@table.route("GET", "email/{id}/responses", "email.responses")
def get_responses(request: ApiRequest) -> Reply:  # noqa: ARG001 - every handler takes the request
    """Answer the contacts that responded; Emarsys writes nobody as one empty text."""
    return envelope({"contact_ids": [""]})


@table.route("POST", "contact/getcontacthistory", "contact.history")
def get_history(request: ApiRequest) -> Reply:  # noqa: ARG001 - every handler takes the request
    """Answer the e-mails that contacts were sent: none."""
    return envelope([])
