"""Starting exports, asking for their status, and downloading them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

from emarsys_pipeline.sandbox.contact_lists import list_exists
from emarsys_pipeline.sandbox.export_files import spoilt_file, stream_file
from emarsys_pipeline.sandbox.exports import ExportOrder, find_export, header_line, status_document
from emarsys_pipeline.sandbox.replies import ApiError, Reply, bad_parameter, envelope
from emarsys_pipeline.sandbox.routes.fields import checked_language
from emarsys_pipeline.sandbox.routing import ApiRequest, RouteTable, is_number
from emarsys_pipeline.sandbox.segments import find_segment, load_members, members_query
from emarsys_pipeline.sandbox.state import SERVER_ZONE

MAX_FIELDS = 20
MAX_ROWS = 10_000_000
# Documented as never exportable: figures of web and mail analytics, status and source.
_NEVER = frozenset({27, 28, 29, 32, 33})
_ORIGINS = ("form", "api", "all")
_NO_CONTACTS = "select id from contacts where false"

table = RouteTable()


def _required(request: ApiRequest, *names: str) -> None:
    for name in names:
        if request.value(name) is None:
            raise bad_parameter(f"Missing parameter: {name}")


def _checked_fields(request: ApiRequest) -> tuple[int, ...]:
    given = request.value("contact_fields")
    if not isinstance(given, list):
        raise bad_parameter("Invalid data format for contact_fields. Array expected")
    if not 1 <= len(given) <= MAX_FIELDS:
        raise bad_parameter("Invalid number of fields")
    fields = [(item, request.state.catalogue.find(item)) for item in given]
    bad = [
        str(item)
        for item, field in fields
        if field is None or field.field_id in _NEVER or not str(item).isdigit()
    ]
    if bad:
        raise bad_parameter(f"Invalid contact field id: {', '.join(bad)}")
    return tuple(field.field_id for _, field in fields if field is not None)


def _order(
    request: ApiRequest, kind: str, methods: tuple[str, ...], *, has_user_id: bool
) -> ExportOrder:
    method = request.value("distribution_method")
    if method not in methods:
        raise bad_parameter(f"Invalid distribution method: {method}")
    field_ids = _checked_fields(request)
    delimiter = str(request.value("delimiter", ","))
    if delimiter not in (",", ";"):
        raise bad_parameter(f"Invalid value for delimiter: {delimiter}")
    header = str(request.value("add_field_names_header", 1))
    if header not in ("0", "1", "True", "False"):
        raise bad_parameter(f"Invalid value for add_field_names_header: {header}")
    return ExportOrder(
        kind=kind,
        field_ids=field_ids,
        has_user_id=has_user_id,
        delimiter=delimiter,
        has_header=header in ("1", "True"),
        language=checked_language(request.value("language")),
        segment_id=None,
        request=json.dumps(request.body, sort_keys=True),
        notification_url=request.value("notification_url"),
    )


@table.route("POST", "export/filter", "export.segment")
def start_segment_export(request: ApiRequest) -> Reply:
    """Start an export of a segment's contacts."""
    _required(request, "filter", "distribution_method", "contact_fields")
    order = _order(
        request,
        "export/filter",
        ("ftp", "sftp", "local", "mail"),
        has_user_id=request.state.setting("user_id_in_segment_exports"),
    )
    number = str(request.value("filter"))
    if not is_number(number):
        raise bad_parameter("Invalid data format for filter. Integer expected")
    try:
        segment = find_segment(request.state, number)
    except ApiError as error:
        # Documented: an unknown segment gets the text for a wrong type.
        raise bad_parameter("Invalid data format for filter. Integer expected") from error
    export_id = request.runner.start(
        replace(order, segment_id=number),
        members_query(segment),
        [],
        partial(load_members, request.state, segment),
    )
    return envelope({"id": export_id})


@table.route("POST", "email/getcontacts", "export.contactlist")
def start_list_export(request: ApiRequest) -> Reply:
    """Start an export of a contact list."""
    _required(request, "contactlist", "distribution_method", "contact_fields")
    order = _order(
        request,
        "email/getcontacts",
        ("ftp", "sftp", "local", "mail"),
        has_user_id=request.state.setting("user_id_in_segment_exports"),
    )
    if not list_exists(request.state, request.value("contactlist")):
        raise bad_parameter("Invalid data format for contactlist. Integer expected")
    query = "select contact_id from contact_list_members where contact_list_id = ?"
    return _start(request, order, query, [int(request.value("contactlist"))])


@table.route("POST", "contact/getchanges", "export.contact.changed")
def start_changes_export(request: ApiRequest) -> Reply:
    """Start an export of the contacts that changed in a range of days."""
    _required(request, "distribution_method", "contact_fields", "origin", "time_range")
    order = _order(
        request,
        "contact/getchanges",
        ("sftp", "local"),
        has_user_id=request.state.setting("user_id_in_changes_exports"),
    )
    origin = request.value("origin")
    if origin not in _ORIGINS:
        raise bad_parameter(f"Invalid origin: {origin}")
    origin_id = str(request.value("origin_id", "0"))
    if not is_number(origin_id):
        raise bad_parameter("Invalid data format for origin_id. Integer expected")
    start, end = _time_range(request)
    query = (
        "select contact_id from changes where changed_at >= ? and changed_at < ?"
        " and (? = 'all' or origin = ?) and (? = '0' or origin_id = ?)"
    )
    parameters = [start, end, origin, origin, origin_id, origin_id]
    return _start(request, order, query, parameters)


@table.route("POST", "contact/getregistrations", "export.contact.registrations")
def start_registrations_export(request: ApiRequest) -> Reply:
    """Start an export of form registrations, of which the sandbox has none."""
    _required(request, "distribution_method", "contact_fields", "time_range")
    order = _order(request, "contact/getregistrations", ("sftp", "local"), has_user_id=True)
    return _start(request, order, _NO_CONTACTS, [])


@table.route("POST", "email/getresponses", "export.responses")
def start_responses_export(request: ApiRequest) -> Reply:
    """Start an export of e-mail responses, of which the sandbox has none."""
    _required(request, "distribution_method", "contact_fields", "time_range", "sources")
    order = _order(request, "email/getresponses", ("ftp", "local"), has_user_id=True)
    return _start(request, order, _NO_CONTACTS, [])


def _start(request: ApiRequest, order: ExportOrder, query: str, parameters: list[Any]) -> Reply:
    return envelope({"id": request.runner.start(order, query, parameters)})


def _time_range(request: ApiRequest) -> tuple[datetime, datetime]:
    """Return the range in UTC; the days are Vienna's. An equal start and end is an empty range."""
    given = request.value("time_range")
    if not isinstance(given, list):
        raise bad_parameter("Invalid data format for time_range. Array expected")
    if len(given) != 2:
        raise bad_parameter("Invalid data format for time_range. Array size must be 2")
    try:
        start, end = (date.fromisoformat(str(item)) for item in given)
    except ValueError as error:
        raise bad_parameter("Valid start_date and end_date is required") from error
    if end < start:
        raise bad_parameter("Invalid value for end_date: end_date is earlier than the start_date")
    if request.state.setting("changes_end_day_is_inclusive") and start != end:
        end += timedelta(days=1)
    try:
        return _vienna_midnight(start), _vienna_midnight(end)
    except OverflowError as error:
        raise bad_parameter("Valid start_date and end_date is required") from error


def _vienna_midnight(day: date) -> datetime:
    local = datetime(day.year, day.month, day.day, tzinfo=SERVER_ZONE)
    return local.astimezone(UTC).replace(tzinfo=None)


@table.route("GET", "export/{id}", "export.status")
def get_export(request: ApiRequest) -> Reply:
    """Answer the status of an export."""
    export = find_export(request.state, request.path_values["id"])
    fault = request.fault.name if request.fault is not None else None
    if fault == "export_error":
        export = replace(export, status="error")
    elif fault == "export_hangs":
        export = replace(export, status="in progress")
    return envelope(status_document(export))


@table.route("GET", "export/{id}/data", "export.download")
def get_export_data(request: ApiRequest) -> Reply:
    """Answer the file of a finished export as CSV."""
    state = request.state
    export = find_export(state, request.path_values["id"])
    if json.loads(export.order.request).get("distribution_method") != "local":
        raise ApiError(404, 4004, '"distribution_method" of this export is not compatible.')
    offset, limit = str(request.value("offset", "0")), request.value("limit")
    if not is_number(offset) or (limit is not None and not is_number(str(limit))):
        raise bad_parameter("Invalid value for offset or limit")
    if limit is not None and int(limit) > MAX_ROWS:
        raise bad_parameter("Invalid value for limit")
    _refuse_unfinished(export.status, request.fault.name if request.fault is not None else None)
    path = state.files / (export.file_name or "")
    if not export.file_name or not path.is_file():
        raise ApiError(410, 4003, "Exported data is not available.")
    header = header_line(state, export.order)
    content = None
    if request.fault is not None:
        content = spoilt_file(path, header, request.fault)
    if content is None:
        content = stream_file(
            path,
            header,
            offset=int(offset),
            limit=None if limit is None else int(limit),
            has_byte_order_mark=state.setting("csv_byte_order_mark"),
            repeat_header=state.setting("repeat_header_on_offset"),
        )
    return Reply(content, content_type="text/csv;charset=UTF-8")


def _refuse_unfinished(status: str, fault: str | None) -> None:
    if fault == "export_expired":
        raise ApiError(410, 4003, "Exported data is not available.")
    if fault == "export_file_missing":
        raise ApiError(404, 4006, "Internal error occurred. File was not found.")
    if fault == "export_file_error":
        raise ApiError(500, 4007, "Server error occurred. Please choose another file.")
    if status == "error":
        raise ApiError(404, 4006, "Internal error occurred. File was not found.")
    if status != "done":
        raise ApiError(
            404, 4005, "Export is currently in progress. Please wait until that has finished."
        )
