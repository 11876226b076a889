"""Field numbers of the API that the code needs by name, and the calls for fields and choices."""

from collections.abc import Sequence

from emarsys_pipeline.emarsys.endpoints import Endpoints
from emarsys_pipeline.emarsys.records import Choice, Field
from emarsys_pipeline.emarsys.shapes import as_id, as_list, as_map, chunks

EMAIL = "3"
PHONE = "15"
EMAIL_OPT_IN = "31"  # often mistaken for the phone number
MOBILE = "37"

READ_ONLY_FIELDS = frozenset({"0", "27", "28", "29", "30", "32", "33", "34", "36", "47", "48"})
NOT_EXPORTABLE_FIELDS = frozenset({"27", "28", "29", "32", "33"})
INTERNAL_KEYS = frozenset({"id", "uid", "eid"})  # name a contact, but are no fields

MAX_FIELDS_IN_ONE_ADDRESS = 100  # ours, to keep the address short


class FieldCalls(Endpoints):
    """Fields and their choices."""

    def list_fields(self, language: str = "en") -> list[Field]:
        """All fields of the account with their names in ``language`` (``field.list``).

        Language codes are Emarsys's own, not ISO throughout: ``cz``, ``dk``, ``jp``, ``cn``.
        """
        return _fields(self._get(f"field/translate/{language}"))

    def list_choices(
        self, field_ids: Sequence[str], language: str = "en"
    ) -> dict[str, list[Choice]]:
        """The choices of several single or multi choice fields (``field.multichoice.get``).

        Every field asked for is a key; one without choices has an empty list. Display order.
        """
        choices: dict[str, list[Choice]] = {field_id: [] for field_id in field_ids}
        for part in chunks(list(choices), MAX_FIELDS_IN_ONE_ADDRESS):
            data = self._get("field/choices", {"fields": ",".join(part), "language": language})
            choices.update({field_id: _choices(items) for field_id, items in as_map(data).items()})
        return choices

    def list_single_choices(self, field_id: str, language: str = "en") -> list[Choice]:
        """The choices of one field (``field.singlechoice.trans.list``), in display order."""
        return _choices(self._get(f"field/{int(field_id)}/choice/translate/{language}"))

    def list_single_choices_by_language(self, field_id: str, language: str = "en") -> list[Choice]:
        """The same by another permission (``field.singlechoice.lang.list``)."""
        return _choices(self._get(f"field/{int(field_id)}/choice/lang/{language}"))

    def list_default_choices(self, field_id: str) -> list[Choice]:
        """The same in the account's default language (``field.singlechoice.list``)."""
        return _choices(self._get(f"field/{int(field_id)}/choice"))

    def list_default_fields(self) -> list[Field]:
        """All fields with their names in the account's default language (``field.get``)."""
        return _fields(self._get("field"))


def _choices(items: object) -> list[Choice]:
    return [
        Choice(id=as_id(item["id"]), label=str(item.get("choice") or "")) for item in as_list(items)
    ]


def _fields(items: object) -> list[Field]:
    return [
        Field(
            id=as_id(item["id"]),
            name=str(item.get("name") or ""),
            string_id=str(item.get("string_id") or ""),
            application_type=str(item.get("application_type") or ""),
        )
        for item in as_list(items)
    ]
