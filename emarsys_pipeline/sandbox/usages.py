"""What uses the account's fields and events: forms, imports, programs; it keeps them undeletable.

Which of the account's fields is used by what is fixed. Each reason that Emarsys knows occurs once.
"""

from __future__ import annotations

from emarsys_pipeline.sandbox.replies import ApiError

_LAST_SYSTEM_FIELD = 48
# Fields below this id belong to Emarsys's products, not to the account.
_FIRST_OWN_FIELD = 10_000
_KEPT = "This field cannot be deleted. "

# field id: reply code and text of the refusal
_FIELD_USAGES = {
    10231: (257, f"{_KEPT}It is currently being used in a form."),
    10240: (
        265,
        "Field can't be deleted because it is used in the following programs: Loyalty upgrade",
    ),
    10250: (260, f"{_KEPT}It is currently being used in an export."),
    10252: (262, f"{_KEPT}It is currently being used in an import."),
    10260: (261, f"{_KEPT}It is currently being used in the following segments: Recent buyers"),
    10290: (264, f"{_KEPT}It is currently being used by the Last Response Field feature."),
}

# event id: what it starts, as ``GET event/{id}/usages`` tells it
EVENT_USAGES = {124: [{"id": 301, "name": "Abandoned cart", "type": "program"}]}


def refuse_used_field(field_id: int) -> None:
    """Refuse the deletion of a field that is not the account's own or that something uses.

    Raises:
        ApiError: 400, with the code of the reason.
    """
    if field_id <= _LAST_SYSTEM_FIELD:
        raise ApiError(400, 263, "System fields cannot be deleted or edited.")
    if field_id < _FIRST_OWN_FIELD:
        raise ApiError(400, 259, f"{_KEPT}You are not authorised to delete this field.")
    if field_id in _FIELD_USAGES:
        raise ApiError(400, *_FIELD_USAGES[field_id])


def refuse_used_event(event_id: int) -> None:
    """Refuse the deletion of an event that starts something.

    Raises:
        ApiError: 400 with 5012; ``data`` lists what it starts.
    """
    usages = EVENT_USAGES.get(event_id)
    if usages:
        text = "The event has blocking usages and cannot be deleted."
        raise ApiError(400, 5012, text, usages)
