"""The SQL expressions of each mapped property: what was written, and what it becomes.

Pure text: nothing here is executed. Every name passes through ``quote``; values are literals of
our own (field ids are digits, checked here).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from emarsys_pipeline.stages.raw_segment_exports.fields import COUNTRY_FIELD_ID, MappedField
from emarsys_pipeline.warehouse import quote
from emarsys_pipeline.warehouse.columns import raw_field_column

LIST_TYPE = "varchar[]"

_CONVERSIONS = {
    "varchar": "{text}",
    # Nearly all days come as 2024-05-31, which a cast reads in half the time; other lengths may be
    # infinite or before Christ for the cast. Emarsys writes days; with date-times
    # switched on for an account, the time follows.
    "date": "case when try_cast({text} as date)::varchar = {text} and strlen({text}) = 10 "
    "then try_cast({text} as date) "
    "when {text} is not null then try_strptime(trim({text}), "
    "['%Y-%m-%d', '%Y-%m-%d %H:%M:%S', '%Y-%m-%dT%H:%M:%S'])::date end",
    # DuckDB's own casts round 7.5 to a whole number, and read 1_000 and 0x10 as numbers.
    "double": "case when regexp_full_match({text}, "
    r"' *[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)? *') "
    "and isfinite(try_cast({text} as double)) then try_cast({text} as double) end",
    "bigint": "case when try_cast({text} as bigint)::varchar = {text} "
    "then try_cast({text} as bigint) "
    "when regexp_full_match({text}, ' *[+-]?[0-9]+([.]0*)? *') "
    "then try_cast({text} as bigint) end",
    "boolean": "case when lower({text}) in ('1', 'true', 'yes') then true "
    "when lower({text}) in ('0', 'false', 'no') then false end",
    LIST_TYPE: "case when {text} is not null then [{text}] end",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """One mapped property, its field and its type.

    Attributes:
        has_raw: whether raw_segment_exports has the field's column; it has not when the field was
            mapped after the last import.
    """

    mapped: MappedField
    data_type: str
    has_raw: bool

    @property
    def name(self) -> str:
        """The property's name."""
        return self.mapped.mapping.property

    @property
    def identifier(self) -> str | None:
        """Phone, email, or None."""
        return self.mapped.mapping.identifier

    @property
    def column(self) -> str:
        """The property's column."""
        return quote(self.name)

    @property
    def written_column(self) -> str:
        """The column of what Emarsys wrote; the space keeps it apart from any property."""
        return quote(f"written {self.name}")

    @property
    def normalised_column(self) -> str:
        """The column of the identifier's normal form."""
        return quote(f"normalised {self.name}")

    @property
    def can_be_refused(self) -> bool:
        """Whether a written value may have no place in the property's type."""
        field = self.mapped.field
        return field.is_single_choice or field.is_multi_choice or self.data_type != "varchar"

    @property
    def written(self) -> str:
        """Select item: what Emarsys wrote, empty as null."""
        value = "null::varchar"
        if self.has_raw:
            value = f"nullif(raw.{quote(raw_field_column(self._field_id))}, '')"
        return f"{value} as {self.written_column}"

    @property
    def value(self) -> str:
        """Select item: what the property holds."""
        return f"{self._converted()} as {self.column}"

    @property
    def choices(self) -> str:
        """The alias of the choices that this field's values mean."""
        return quote(f"choice {self.name}")

    @property
    def choice_join(self) -> str:
        """Join of the choices that this field's values mean; empty for other fields."""
        field, alias = self.mapped.field, self.choices
        if field.is_multi_choice:
            return (
                f"left join chosen_lists as {alias} on {alias}.field_id = '{self._field_id}' "
                f"and {alias}.written = coalesce(written.{self.written_column}, '')"
            )
        if field.is_single_choice:
            return (
                f"left join written_choices as {alias} on {alias}.field_id = '{self._field_id}' "
                f"and {alias}.dialect = written.dialect "
                f"and {alias}.written = coalesce(written.{self.written_column}, '')"
            )
        return ""

    @property
    def normalised(self) -> str:
        """Select item: the normal form of an identifier."""
        arguments = f"{self.column}, region" if self.identifier == "phone" else self.column
        return f"normalise_{self.identifier}({arguments}) as {self.normalised_column}"

    @property
    def refusal(self) -> str:
        """The reason code of a value that cannot be converted."""
        if self.mapped.field.is_single_choice or self.mapped.field.is_multi_choice:
            return "unknown_choice"
        return {"double": "not_a_number", "bigint": "not_a_whole_number"}.get(
            self.data_type, f"not_a_{self.data_type}"
        )

    @property
    def _field_id(self) -> str:
        field_id = self.mapped.field.field_id
        if not field_id.isdigit():
            raise ValueError(f"field id {field_id!r} is not a number")
        return field_id

    def _converted(self) -> str:
        field, wanted = self.mapped.field, self.mapped.mapping.choices
        if field.is_multi_choice:
            chosen = f"{self.choices}.{'labels' if wanted == 'label' else 'choice_ids'}"
            if self.data_type == LIST_TYPE:
                return chosen
            text = f"array_to_string({chosen}, ', ')"
        elif field.is_single_choice:
            text = f"{self.choices}.{'label' if wanted == 'label' else 'choice_id'}"
        else:
            text = f"written.{self.written_column}"
        return _CONVERSIONS[self.data_type].format(text=text)


def region_of_country(properties: Sequence[Property]) -> tuple[str, str]:
    """The column of the region of a contact's country, and the join that brings it.

    Where the country is a mapped property, its choices bring the region along: no join.
    """
    for item in properties:
        if item.mapped.field.field_id == COUNTRY_FIELD_ID and item.mapped.field.is_single_choice:
            return f"{item.choices}.region", ""
    return (
        "countries.region",
        f"left join written_choices as countries on countries.field_id = '{COUNTRY_FIELD_ID}' "
        "and countries.dialect = written.dialect "
        "and countries.written = coalesce(written.country, '')",
    )


def listed(items: Sequence[str], *, leading: bool = True) -> str:
    """Items of a select list, after others or by themselves."""
    joined = ",\n    ".join(items)
    return f",\n    {joined}" if leading and items else joined


def distinct_list(columns: Sequence[str]) -> str:
    """An expression: the values of these columns that are not null, each once, in this order."""
    if not columns:
        return "[]::varchar[]"
    if len(columns) == 1:
        return f"case when {columns[0]} is null then [] else [{columns[0]}] end"
    values = f"[{', '.join(columns)}]"
    return (
        f"list_filter({values}, lambda value, position: "
        f"value is not null and list_position({values}, value) = position)"
    )


def changed_names(properties: Sequence[Property]) -> str:
    """An expression: the names of the properties that differ between ``new`` and ``old``.

    A number or address whose text stayed may still have a new normal form, for example when the
    contact moved to another country; then its property counts as changed too.
    """
    items = [
        f"case when new.{item.column} is distinct from old.{item.column} then '{item.name}' end"
        for item in properties
    ]
    for kind, column in (("phone", "phone_numbers"), ("email", "email_addresses")):
        of_kind = [item for item in properties if item.identifier == kind]
        same_texts = " and ".join(
            f"new.{item.column} is not distinct from old.{item.column}" for item in of_kind
        )
        items += [
            f"case when new.{column} is distinct from old.{column} and {same_texts} "
            f"then '{item.name}' end"
            for item in of_kind
        ]
    return f"list_filter([{', '.join(items)}], lambda name: name is not null)"
