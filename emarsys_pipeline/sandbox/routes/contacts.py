"""Reading contacts: getdata, query, checkids."""

from __future__ import annotations

from typing import Any

from emarsys_pipeline.sandbox.catalogue import AccountField
from emarsys_pipeline.sandbox.contact_keys import KeyField, find_contacts, find_key_field
from emarsys_pipeline.sandbox.field_values import shown_value
from emarsys_pipeline.sandbox.replies import ApiError, Reply, bad_parameter, envelope
from emarsys_pipeline.sandbox.routing import ApiRequest, RouteTable, is_number

MAX_CONTACTS = 1000
MAX_QUERY_ROWS = 10_000
_INDEXED = frozenset({1, 2, 3, 15, 31, 37, 10231, 10500})

table = RouteTable()


def key_field(request: ApiRequest, default: str) -> KeyField:
    """Return the key field of a request, under either of the names that clients send."""
    reference = request.value("key_id", request.value("keyId"))
    return find_key_field(request.state.catalogue, reference, default)


def no_contact(key: KeyField) -> str:
    """Return the text for an unknown key, in the form of getdata, checkids, lists and triggers."""
    return f"No contact found with the external id: {key.name}"


def many_contacts(key: KeyField, value: Any) -> str:
    """Return the text for a key value that several contacts share."""
    return f"More contacts found with the external id: {key.name} - {value}"


@table.route("POST", "contact/getdata", "contact.getdata")
@table.route("GET", "contact/getdata", "contact.lookup", "contact.getdata")
def get_data(request: ApiRequest) -> Reply:
    """Answer values of contacts by key, at most 1000 at a time."""
    values = request.value("keyValues")
    if values is None:
        raise bad_parameter("Missing parameter: keyValues")
    if not isinstance(values, list):
        raise bad_parameter("keyValues must be an array")
    wanted_fields = request.value("fields") or []
    if not isinstance(wanted_fields, list):
        raise bad_parameter("Fields must be an array")
    if len(values) > MAX_CONTACTS:
        raise bad_parameter(f"Max. number of contacts: {MAX_CONTACTS}")
    key = _getdata_key(request)
    fields = _fields_of(request, wanted_fields)
    with request.state.read() as connection:
        found = find_contacts(connection, key, values)
        ids: list[int] = []
        errors: list[dict[str, Any]] = []
        for value in values:
            matches = found.get(key.normalise(value), [])
            if len(matches) == 1:
                ids.append(matches[0])
            else:
                code = 2010 if matches else 2008
                text = many_contacts(key, value) if matches else no_contact(key)
                written = str(code) if request.state.setting("error_codes_are_text") else code
                errors.append({"key": value, "errorCode": written, "errorMsg": text})
        contacts = read_contacts(connection, ids, fields, string_ids=_wants_string_ids(request))
    result = [_with_empty_values(request, contacts[contact_id]) for contact_id in ids]
    if not result and request.state.setting("empty_result_is_absent"):
        return envelope({"errors": errors})
    return envelope({"errors": errors, "result": result or False})


def _with_empty_values(request: ApiRequest, contact: dict[str, Any]) -> dict[str, Any]:
    if request.state.setting("empty_value_is_null"):
        return contact
    return {name: "" if value is None else value for name, value in contact.items()}


def _getdata_key(request: ApiRequest) -> KeyField:
    try:
        return key_field(request, "id")
    except ApiError as error:
        raise bad_parameter("keyId must be an integer") from error


def _wants_string_ids(request: ApiRequest) -> bool:
    return str(request.parameters.get("stringids", "0")) == "1"


def _fields_of(request: ApiRequest, references: list[Any]) -> list[AccountField]:
    catalogue = request.state.catalogue
    if not references:
        return list(catalogue.fields.values())
    fields = []
    for reference in references:
        if str(reference) in ("id", "uid"):
            continue
        field = catalogue.find(reference)
        if field is None:
            raise ApiError(400, 2006, f"Invalid field id: {reference}")
        fields.append(field)
    return fields


def read_contacts(
    connection: Any, ids: list[int], fields: list[AccountField], *, string_ids: bool = False
) -> dict[int, dict[str, Any]]:
    """Return contact documents by id: ``id``, ``uid`` and the fields by number or string id."""
    columns = "".join(f", {field.column}" for field in fields)
    rows = connection.execute(
        f"select id, uid{columns} from contacts where id in (select unnest($1::bigint[]))",  # noqa: S608
        [ids],
    ).fetchall()
    documents = {}
    for contact_id, uid, *values in rows:
        document: dict[str, Any] = {"id": str(contact_id), "uid": uid}
        for field, value in zip(fields, values, strict=True):
            name = field.string_id if string_ids and field.string_id else str(field.field_id)
            document[name] = shown_value(field, value)
        documents[contact_id] = document
    return documents


@table.route("GET", "contact/query", "contact.list")
def query_contacts(request: ApiRequest) -> Reply:
    """Answer one field of the contacts that match a filter, in pages."""
    catalogue = request.state.catalogue
    wanted = request.parameters.get("return")
    if not wanted:
        raise ApiError(400, 2014, "No field specified to return")
    field = catalogue.find(wanted)
    if field is None:
        raise ApiError(400, 2006, f"Invalid field id: {wanted}")
    limit, offset = _limit_and_offset(request)
    conditions, values = _query_filter(request)
    if request.parameters.get("excludeempty", "").lower() in ("true", "1"):
        conditions.append(f"{field.column} is not null")
    where = " where " + " and ".join(conditions) if conditions else ""
    rows = request.state.rows(
        f"select id, {field.column} from contacts{where} order by id limit ? offset ?",  # noqa: S608
        [*values, limit, offset],
    )
    result = [
        {"id": str(contact_id), str(field.field_id): shown_value(field, value)}
        for contact_id, value in rows
    ]
    return envelope({"errors": [], "result": result})


def _limit_and_offset(request: ApiRequest) -> tuple[int, int]:
    limit = str(request.parameters.get("limit", MAX_QUERY_ROWS))
    if not is_number(limit) or not 1 <= int(limit) <= MAX_QUERY_ROWS:
        raise ApiError(400, 2016, "Invalid limit")
    offset = str(request.parameters.get("offset", "0"))
    return int(limit), int(offset) if is_number(offset) else 0


def _query_filter(request: ApiRequest) -> tuple[list[str], list[str]]:
    conditions: list[str] = []
    values: list[str] = []
    for name, value in request.parameters.items():
        if name in ("return", "limit", "offset", "excludeempty"):
            continue
        key = request.state.catalogue.find(name)
        if key is None:
            raise ApiError(400, 2006, f"Invalid field id: {name}")
        if key.field_id not in _INDEXED:
            raise ApiError(400, 2015, "No index on column")
        if value == "":
            conditions.append(f"{key.column} is null")
            continue
        # Filters compare without case, as the account's database does.
        conditions.append(f"lower({key.column}) = lower(?)")
        values.append(value)
    return conditions, values


@table.route("GET", "contact", "contact.get", "contact.list")
def get_contact(request: ApiRequest) -> Reply:
    """Answer the internal id of one contact (the legacy ``contact/3=a@example.org``)."""
    for name, value in request.parameters.items():
        key = find_key_field(request.state.catalogue, name, "3")
        with request.state.read() as connection:
            ids = find_contacts(connection, key, [value]).get(key.normalise(value), [])
        if not ids:
            raise ApiError(400, 2008, f"{no_contact(key)} - {value}")
        if len(ids) > 1:
            raise ApiError(400, 2010, many_contacts(key, value))
        return envelope({"id": str(ids[0])})
    raise ApiError(400, 1001, "One or more parameters are invalid or missing.")


@table.route("POST", "contact/checkids", "contact.contactid.verify")
def check_ids(request: ApiRequest) -> Reply:
    """Answer the internal ids of contacts by key."""
    key = key_field(request, "id")
    values = request.value("external_ids")
    if not isinstance(values, list):
        text = "Invalid datatype for the list of external ids. Array expected"
        raise ApiError(400, 2003, text)
    if len(values) > MAX_CONTACTS:
        raise ApiError(400, 2002, "The list of external ids exceeds the maximum size.")
    if any(value in (None, "") for value in values):
        raise ApiError(400, 2005, f"No value provided for key field: {key.name}")
    wants_many = bool(request.value("get_multiple_ids"))
    ids: dict[str, Any] = {}
    errors: dict[str, dict[str, str]] = {}
    with request.state.read() as connection:
        found = find_contacts(connection, key, values)
    for value in values:
        matches = [str(number) for number in found.get(key.normalise(value), [])]
        if not matches:
            errors[str(value)] = {"2008": no_contact(key)}
        elif wants_many:
            ids[str(value)] = matches
        elif len(matches) > 1:
            errors[str(value)] = {"2010": many_contacts(key, value)}
        else:
            ids[str(value)] = matches[0]
    return envelope({"ids": ids or [], "errors": errors or []})
