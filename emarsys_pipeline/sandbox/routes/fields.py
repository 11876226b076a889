"""Fields and their choices."""

from __future__ import annotations

from typing import Any

from emarsys_pipeline.sandbox.catalogue import CHOICE_TYPES, LANGUAGES, AccountField
from emarsys_pipeline.sandbox.replies import ApiError, Reply, bad_parameter, envelope
from emarsys_pipeline.sandbox.routing import ApiRequest, RouteTable
from emarsys_pipeline.sandbox.usages import refuse_used_field

_CREATABLE = ("shorttext", "longtext", "largetext", "date", "url", "numeric")
_FIRST_CUSTOM_ID = 10999
_LAST_SYSTEM_ID = 48
_RESERVED = ("id", "uid", "user_id")

table = RouteTable()


def checked_language(language: Any) -> str:
    """Return a language code.

    Raises:
        ApiError: 400 with 1002 when Emarsys does not know it.
    """
    code = str(language or "en")
    if code not in LANGUAGES:
        raise ApiError(400, 1002, "Invalid language code")
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
        raise ApiError(400, 9005, "Parameters name and application_type are required.")
    if not isinstance(name, str) or not name.strip():
        raise ApiError(400, 9001, "Invalid field name")
    if kind not in _CREATABLE:
        raise ApiError(400, 9006, "This type of field cannot be created via the API.")
    fields = request.state.catalogue.fields
    field_id = max(_FIRST_CUSTOM_ID, *(number + 1 for number in fields))
    string_id = str(request.value("string_id") or f"custom_{field_id}")
    _refuse_taken("name", name, {f.field_id: f.name for f in fields.values()})
    _refuse_taken("string ID", string_id, {f.field_id: f.string_id for f in fields.values()})
    own = [f for f in fields.values() if f.field_id >= _FIRST_CUSTOM_ID]
    if sum(f.application_type == kind for f in own) >= request.state.setting("field_slots"):
        text = "No more slots to create the field, please contact account manager."
        raise ApiError(500, 9004, text)
    with request.state.write() as connection:
        connection.execute(
            "insert into fields values ($id, $name, $name, $kind, $string_id, false, $id)",
            {"id": field_id, "name": name, "kind": kind, "string_id": string_id},
        )
        connection.execute(f"alter table contacts add column f_{field_id:d} varchar")
    request.state.reload_catalogue()
    return envelope({"id": field_id})


def _refuse_taken(kind: str, value: str, held: dict[int, str]) -> None:
    """Refuse a name or a string id that another field has, or that Emarsys keeps for itself."""
    folded = value.lower()
    if folded in _RESERVED or any(
        text.lower() == folded for number, text in held.items() if number <= _LAST_SYSTEM_ID
    ):
        raise ApiError(400, 9003, f"Reserved {kind}")
    if value in held.values():
        raise ApiError(400, 9002, f"A field with this {kind} already exists.")


@table.route("DELETE", "field/{id}", "field.delete")
def delete_field(request: ApiRequest) -> Reply:
    """Delete a custom field and its values."""
    field_id = int(request.path_values["id"])
    if field_id not in request.state.catalogue.fields:
        # Documented without a code; a refusal without permission is the other such answer.
        raise ApiError(404, 1, "No such field")
    refuse_used_field(field_id)
    with request.state.write() as connection:
        connection.execute("delete from fields where field_id = ?", [field_id])
        connection.execute(f"alter table contacts drop column f_{field_id:d}")
    request.state.reload_catalogue()
    return envelope("")
