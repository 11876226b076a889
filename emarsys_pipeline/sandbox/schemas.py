"""JSON schemas of what endpoints take and answer, for the OpenAPI description.

Keyed by the endpoint's name, as fault rules write it. An answer's schema is that of ``data`` in
the envelope; both spellings of ids appear where Emarsys mixes them.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

ANYTHING: Schema = {}
TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer"}
TRUTH: Schema = {"type": "boolean"}
TEXT_OR_NUMBER: Schema = {"type": ["string", "integer"]}
OPTIONAL_TEXT: Schema = {"type": ["string", "null"]}
MOMENT: Schema = {
    "type": "string",
    "description": "Vienna local time, without an offset",
    "pattern": r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$",
}
EMPTY: Schema = {"const": ""}


def many(item: Schema, at_most: int | None = None) -> Schema:
    """Return the schema of an array."""
    limit = {} if at_most is None else {"maxItems": at_most}
    return {"type": "array", "items": item, **limit}


def fields(optional: dict[str, Schema] | None = None, **required: Schema) -> Schema:
    """Return the schema of an object: what it must have, and what it may have besides."""
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **(optional or {})},
    }


def mapping(value: Schema) -> Schema:
    """Return the schema of an object whose keys are data."""
    return {"type": "object", "additionalProperties": value}


def either(*options: Schema) -> Schema:
    """Return the schema of one of several forms."""
    return {"anyOf": list(options)}


NOTHING = many(ANYTHING, at_most=0)
# PHP writes an empty map as an empty list.
ERRORS = {
    **either(mapping(mapping(TEXT)), NOTHING),
    "description": "By key value: texts by code; an empty list without errors",
}
KEY = {
    **TEXT_OR_NUMBER,
    "description": "id, uid, a field's number or its string id; 3 (e-mail) by default",
}
CONTACT = {"type": "object", "description": "Values by field number, or field string id"}
CONTACTS = many(CONTACT, at_most=1000)
ONE_OR_MANY = {
    **fields(optional={"key_id": KEY, "contacts": CONTACTS, "contact_list_id": TEXT_OR_NUMBER}),
    "description": "One contact, or a batch under contacts",
}
WRITTEN = either(
    fields(id=TEXT_OR_NUMBER),
    {
        **fields(ids=many(TEXT_OR_NUMBER), errors=ERRORS),
        "description": "Of a batch: strings are updated contacts, integers created ones",
    },
)
CHOICES = many(fields(id=TEXT, choice=TEXT, bit_position=OPTIONAL_TEXT))
FIELDS = many(
    fields(
        id=TEXT_OR_NUMBER,
        name={"type": ["string", "null"]},
        application_type=TEXT,
        string_id=TEXT,
    )
)
SEGMENT = fields(id=TEXT_OR_NUMBER, name=TEXT, optional={"type": TEXT})
PART = fields(
    relation={"enum": ["AND", "OR"]},
    segment_ids=many(TEXT_OR_NUMBER),
    optional={"contact_list_ids": many(TEXT_OR_NUMBER)},
)
DEFINITION = fields(include=PART, exclude=PART)
RUN_STARTED = fields(run_id=TEXT, status=TEXT)
RUN = fields(
    run_id=TEXT,
    status={"enum": ["waiting", "done", "error"]},
    optional={"result": {"type": "object"}},
)
STARTED = fields(id=NUMBER)
EXPORT_ORDER: dict[str, Schema] = {
    "delimiter": {"enum": [",", ";"]},
    "add_field_names_header": {"enum": [0, 1, "0", "1", True, False]},
    "language": TEXT,
    "notification_url": TEXT,
}
EVENT = fields(id=TEXT, name=TEXT, created=MOMENT)
NAMED = fields(id=TEXT_OR_NUMBER, name=TEXT)
LISTENERS = fields(email=TRUTH, acProgram=TRUTH, interactionsProgram=TRUTH)
LIST_CHANGE = fields(external_ids=many(TEXT_OR_NUMBER, at_most=10_000), optional={"key_id": KEY})
TRIGGERED = fields(
    external_id=TEXT_OR_NUMBER,
    optional={
        "trigger_id": TEXT,
        "data": {"type": ["object", "string", "array", "null"]},
        "event_time": TEXT,
        "attachment": ANYTHING,
    },
)


def export_order(**extra: Schema) -> Schema:
    """Return the schema of an export's start call."""
    return fields(
        distribution_method={"enum": ["ftp", "sftp", "local", "mail"]},
        contact_fields={**many(TEXT_OR_NUMBER, at_most=20), "minItems": 1},
        optional=EXPORT_ORDER,
        **extra,
    )


BODIES: dict[str, Schema] = {
    "POST contact/getdata": fields(
        keyValues=many(TEXT_OR_NUMBER, at_most=1000),
        optional={"keyId": KEY, "fields": many(TEXT_OR_NUMBER)},
    ),
    "POST contact/checkids": fields(
        external_ids=many(TEXT_OR_NUMBER, at_most=1000),
        optional={"key_id": KEY, "get_multiple_ids": TRUTH},
    ),
    **dict.fromkeys(("POST contact", "PUT contact", "PUT contact/update"), ONE_OR_MANY),
    "PUT contact/{contactId}": CONTACT,
    "POST contact/delete": fields(optional={"key_id": KEY}),
    "POST contact/merge": fields(
        source_key_value=TEXT_OR_NUMBER,
        target_key_value=TEXT_OR_NUMBER,
        optional={"key_id": KEY, "merge_rules": ANYTHING, "delete_source": ANYTHING},
    ),
    "POST field": fields(name=TEXT, application_type=TEXT, optional={"string_id": TEXT}),
    "PUT filter": fields(name=TEXT, optional={"contactCriteria": {"type": "object"}}),
    "POST combinedsegments": fields(
        name=TEXT, definition=DEFINITION, optional={"id": TEXT_OR_NUMBER}
    ),
    "POST export/filter": export_order(filter=TEXT_OR_NUMBER),
    "POST email/getcontacts": export_order(contactlist=TEXT_OR_NUMBER),
    "POST contact/getchanges": export_order(
        origin={"enum": ["form", "api", "all"]}, time_range=many(TEXT, at_most=2)
    ),
    "POST event": fields(name=TEXT),
    "POST event/{id}": fields(name=TEXT),
    "POST event/{id}/trigger": either(
        TRIGGERED, fields(contacts=many(TRIGGERED, at_most=1000), optional={"key_id": KEY})
    ),
    "POST contactlist": fields(
        name=TEXT,
        optional={
            "description": TEXT,
            "key_id": KEY,
            "external_ids": many(TEXT_OR_NUMBER, at_most=10_000),
        },
    ),
    **dict.fromkeys(("POST contactlist/{id}/add", "POST contactlist/{id}/delete"), LIST_CHANGE),
    "POST contactlist/{id}/replace": LIST_CHANGE,
    "POST contactlist/{id}/rename": fields(name=TEXT),
}

FOUND = fields(
    errors=many(
        fields(key=TEXT_OR_NUMBER, errorCode=TEXT_OR_NUMBER, errorMsg=TEXT),
    ),
    optional={"result": either({"const": False}, many(fields(id=TEXT, uid=TEXT)))},
)

DATA: dict[str, Schema] = {
    "GET contact/getdata": FOUND,
    "POST contact/getdata": FOUND,
    "GET contact/query": fields(errors=many(ANYTHING), result=many(fields(id=TEXT))),
    "GET contact": fields(id=TEXT),
    "POST contact/checkids": fields(
        ids=either(mapping(either(TEXT, many(TEXT))), NOTHING), errors=ERRORS
    ),
    **dict.fromkeys(
        ("POST contact", "PUT contact", "PUT contact/update", "PUT contact/{contactId}"), WRITTEN
    ),
    "POST contact/delete": either(EMPTY, fields(deleted_contacts=NUMBER, errors=ERRORS)),
    "POST contact/merge": fields(id=TEXT),
    "GET field": FIELDS,
    "GET field/translate/{language}": FIELDS,
    "GET field/choices": mapping(CHOICES),
    **dict.fromkeys(
        (
            "GET field/{id}/choice",
            "GET field/{id}/choice/lang/{language}",
            "GET field/{id}/choice/translate/{language}",
        ),
        CHOICES,
    ),
    "POST field": fields(id=NUMBER),
    "DELETE field/{id}": EMPTY,
    "GET filter": many(SEGMENT),
    "GET filter/{id}": SEGMENT,
    "GET filter/{id}/contacts": many(TEXT),
    "GET filter/{id}/contacts/count": NUMBER,
    "GET filter/{id}/contacts/{contactId}": TRUTH,
    "GET combinedsegments": many(NAMED),
    "GET combinedsegments/{id}": fields(id=NUMBER, name=TEXT, definition=DEFINITION),
    "PUT filter": fields(id=TEXT),
    "GET filter/{id}/contact_criteria": {"type": "object"},
    "GET filter/{id}/delete": EMPTY,
    **dict.fromkeys(("POST filter/{id}/runs", "POST filter/{id}/single_runs"), RUN_STARTED),
    **dict.fromkeys(("GET filter/{id}/runs/{runId}", "GET filter/runs/{runId}"), RUN),
    "GET filter/single_runs/{runId}": RUN,
    **dict.fromkeys(
        (
            "POST export/filter",
            "POST email/getcontacts",
            "POST contact/getchanges",
            "POST contact/getregistrations",
            "POST email/getresponses",
        ),
        STARTED,
    ),
    "GET export/{id}": fields(
        id=TEXT,
        created=MOMENT,
        status={"enum": ["scheduled", "in progress", "ready", "done", "error"]},
        type=TEXT,
        file_name=OPTIONAL_TEXT,
        ftp_host=TEXT,
        ftp_dir=TEXT,
    ),
    "GET event": many(EVENT),
    "GET event/{id}": EVENT,
    "POST event": fields(id=TEXT, name=TEXT),
    "POST event/{id}": fields(id=TEXT, name=TEXT),
    "POST event/{id}/delete": EMPTY,
    "GET event/{id}/usages": many(ANYTHING),
    "POST event/{id}/trigger": either(
        fields(ids=many(TEXT), errors=ERRORS, optional={"connectedTo": LISTENERS}),
        fields(optional={"connectedTo": LISTENERS}),
    ),
    "GET contactlist": many(fields(id=TEXT, name=TEXT, created=MOMENT, type=NUMBER)),
    "POST contactlist": fields(id=NUMBER, optional={"errors": ERRORS}),
    **dict.fromkeys(
        ("POST contactlist/{id}/add", "POST contactlist/{id}/replace"),
        fields(inserted_contacts=NUMBER, errors=ERRORS),
    ),
    "POST contactlist/{id}/delete": fields(deleted_contacts=NUMBER, errors=ERRORS),
    "POST contactlist/{id}/rename": NAMED,
    "POST contactlist/{id}/deletelist": EMPTY,
    "GET contactlist/{id}/count": NUMBER,
    **dict.fromkeys(("GET contactlist/{id}/contacts", "GET contactlist/{id}"), many(TEXT)),
    "GET contactlist/{id}/contacts/data": mapping(fields(fields=fields(id=TEXT, uid=TEXT))),
    "GET settings": fields(id=NUMBER, environment=TEXT, timezone=TEXT, totalContacts=TEXT),
    "GET language": many(fields(id=TEXT, language=TEXT)),
}

# Parameters in the query; each may also come as a path segment or in a JSON body.
_PAGE: dict[str, Schema] = {"limit": NUMBER, "offset": NUMBER}
QUERIES: dict[str, dict[str, Schema]] = {
    "GET contact/query": {"return": TEXT, "excludeempty": TRUTH, **_PAGE},
    "PUT contact": {"create_if_not_exists": {"enum": [0, 1]}},
    "PUT contact/update": {"create_if_not_exists": {"enum": [0, 1]}},
    "GET field/choices": {"fields": TEXT, "language": TEXT},
    "GET filter/{id}/contacts": _PAGE,
    "POST filter/{id}/single_runs": {"contact_id": NUMBER},
    "GET export/{id}/data": _PAGE,
    "GET contactlist/{id}/contactIds": {"$top": NUMBER, "$skiptoken": NUMBER},
    "GET contactlist/{id}/contacts": _PAGE,
    "GET contactlist/{id}": _PAGE,
    "GET contactlist/{id}/contacts/data": {"fields": TEXT, **_PAGE},
}
