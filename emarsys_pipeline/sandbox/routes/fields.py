"""Fields and their choices."""

from __future__ import annotations

from typing import Any

from emarsys_pipeline.sandbox.catalogue import CHOICE_TYPES, LANGUAGES, AccountField
from emarsys_pipeline.sandbox.replies import ApiError, Reply, bad_parameter, envelope
from emarsys_pipeline.sandbox.routing import ApiRequest, RouteTable

_CREATABLE = ("shorttext", "longtext", "largetext", "date", "url", "numeric")
_FIRST_CUSTOM_ID = 10999
_LAST_SYSTEM_ID = 3999

table = RouteTable()


def checked_language(language: Any) -> str:
    """Return a language code.

    Raises:
        ApiError: 400 with 1002 when Emarsys does not know it.
    """
    code = str(language or "en")
    if code not in LANGUAGES:
        raise ApiError(400, 1002, f"Invalid language code: {code}")
    return code


def _field_list(request: ApiRequest, language: str) -> Reply:
    hidden: set[str] = set()
    if request.fault is not None and request.fault.name == "missing_fields":
        hidden = {str(number) for number in request.fault.details.get("field_ids", [])}
    documents = [
        field.document(language)
        for field in request.state.catalogue.fields.values()
        if str(field.field_id) not in hidden
    ]
    if request.state.setting("field_ids_are_text"):
        documents = [{**document, "id": str(document["id"])} for document in documents]
    return envelope(documents)


@table.route("GET", "field", "field.get")
def list_fields(request: ApiRequest) -> Reply:
    """Answer all fields with their English names."""
    return _field_list(request, "en")


@table.route("GET", "field/translate/{language}", "field.list")
def list_translated_fields(request: ApiRequest) -> Reply:
    """Answer all fields with their names in a language."""
    return _field_list(request, checked_language(request.path_values["language"]))


@table.route("GET", "field/choices", "field.multichoice.get", "field.multichoice.list")
def list_choices(request: ApiRequest) -> Reply:
    """Answer the choices of several fields, by field id."""
    language = checked_language(request.value("language"))
    given = request.value("fields", "")
    references = given if isinstance(given, list) else str(given).split(",")
    if references in ([""], []):
        raise bad_parameter("Missing parameter: fields")
    fields = [_choice_field(request, str(reference).strip()) for reference in references]
    return envelope({str(field.field_id): field.choice_documents(language) for field in fields})


def _choice_field(request: ApiRequest, reference: str) -> AccountField:
    field = request.state.catalogue.find(reference)
    has_choices = field is not None and field.application_type in (*CHOICE_TYPES, "special")
    is_tolerated = field is not None and request.state.setting("missing_choices_are_empty")
    if field is None or not (has_choices or is_tolerated):
        raise bad_parameter(f"Invalid field id: {reference}")
    return field


def _choices_of_field(request: ApiRequest, language: str) -> Reply:
    return envelope(_choice_field(request, request.path_values["id"]).choice_documents(language))


@table.route("GET", "field/{id}/choice", "field.singlechoice.list", "field.singlechoice.get")
def list_field_choices(request: ApiRequest) -> Reply:
    """Answer the choices of a field in English."""
    return _choices_of_field(request, "en")


@table.route("GET", "field/{id}/choice/translate/{language}", "field.singlechoice.trans.list")
@table.route("GET", "field/{id}/choice/lang/{language}", "field.singlechoice.lang.list")
def list_translated_choices(request: ApiRequest) -> Reply:
    """Answer the choices of a field in a language."""
    return _choices_of_field(request, checked_language(request.path_values["language"]))


@table.route("POST", "field", "field.create")
def create_field(request: ApiRequest) -> Reply:
    """Create a custom field; choice fields cannot be made by API."""
    name, kind = request.value("name"), request.value("application_type")
    if name is None or kind is None:
        raise ApiError(400, 9005, "The name and application_type parameters are required")
    if not str(name).strip():
        raise ApiError(400, 9001, "Invalid field name")
    if str(name).lower() in ("id", "uid", "user_id"):
        raise ApiError(400, 9003, "Reserved name")
    if kind not in _CREATABLE:
        raise ApiError(400, 9006, f"A field of type {kind} cannot be created by API")
    fields = request.state.catalogue.fields
    if any(field.name == name for field in fields.values()):
        raise ApiError(400, 9002, "A field with this name exists already")
    field_id = max(_FIRST_CUSTOM_ID, *(number + 1 for number in fields))
    string_id = str(request.value("string_id") or f"custom_{field_id}")
    with request.state.write() as connection:
        connection.execute(
            "insert into fields values ($id, $name, $name, $kind, $string_id, false, $id)",
            {"id": field_id, "name": name, "kind": kind, "string_id": string_id},
        )
        connection.execute(f"alter table contacts add column f_{field_id:d} varchar")
    request.state.reload_catalogue()
    return envelope({"id": field_id})


@table.route("DELETE", "field/{id}", "field.delete")
def delete_field(request: ApiRequest) -> Reply:
    """Delete a custom field and its values."""
    field_id = int(request.path_values["id"])
    if field_id not in request.state.catalogue.fields:
        raise ApiError(404, 1, "No such field")
    if field_id <= _LAST_SYSTEM_ID:
        raise ApiError(400, 263, "System fields cannot be deleted")
    with request.state.write() as connection:
        connection.execute("delete from fields where field_id = ?", [field_id])
        connection.execute(f"alter table contacts drop column f_{field_id:d}")
    request.state.reload_catalogue()
    return envelope("")
