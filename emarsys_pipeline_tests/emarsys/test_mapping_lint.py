"""Mistakes in a mapping that are found before an import."""

import pytest

from emarsys_pipeline.emarsys import Choice, Field
from emarsys_pipeline.emarsys.mapping_lint import (
    Finding,
    MappedField,
    MappedOptIn,
    lint_mapping,
)

FIELDS = [
    Field("1", "First Name", "first_name", "shorttext"),
    Field("3", "Email", "email", "longtext"),
    Field("5", "Gender", "gender", "singlechoice"),
    Field("31", "Opt-In", "optin", "special"),
    Field("32", "User status", "status", "special"),
    Field("34", "Contact form", "form", "special"),
    Field("37", "Mobile", "mobile", "shorttext"),
    Field("10500", "WhatsApp opt-in", "whatsapp_opt_in", "shorttext"),
]
EMAIL = MappedField(called="email", property="email", identifier="email")
MOBILE = MappedField(called="37", property="mobile", identifier="phone")


def test_a_sound_mapping_has_no_finding() -> None:
    opt_in = MappedOptIn(called="WhatsApp opt-in", values=("granted", "withdrawn"))
    assert lint_mapping(FIELDS, [EMAIL, MOBILE], opt_in) == []


@pytest.mark.parametrize(
    ("mapped", "finding"),
    [
        (
            MappedField(called="Frist Name", property="first_name"),
            Finding(
                "error",
                "no field is called 'Frist Name'; the nearest: First Name (1)",
                "Use one of the names, string ids or ids of this account.",
            ),
        ),
        (
            MappedField(called="31", property="phone_number"),
            Finding(
                "error",
                "phone_number: field 31 (Opt-In) is the e-mail opt-in, not a phone number",
                "Map 15 (Phone) or 37 (Mobile).",
            ),
        ),
        (
            MappedField(called="status", property="status"),
            Finding(
                "error",
                "status: field 32 (User status) is never exported by Emarsys",
                "Leave it out.",
            ),
        ),
        (
            MappedField(called="gender", property="gender", identifier="phone"),
            Finding(
                "error",
                "gender: field 5 (Gender) is of type singlechoice, but identifies by phone",
                "Map a text field as identifier.",
            ),
        ),
    ],
    ids=["unknown", "31 as phone", "not exportable", "identifier of the wrong type"],
)
def test_a_mistaken_field_is_found(mapped: MappedField, finding: Finding) -> None:
    assert lint_mapping(FIELDS, [EMAIL, MOBILE, mapped]) == [finding]


@pytest.mark.parametrize(
    ("called", "message"),
    [
        ("31", "opt-in: field 31 (Opt-In) is the e-mail opt-in"),
        ("form", "opt-in: field 34 (Contact form) is read-only"),
        ("gender", "opt-in: field 5 (Gender) is of type singlechoice, not a text field"),
        ("zzzz", "no field is called 'zzzz'"),
    ],
)
def test_a_mistaken_opt_in_field_is_found(called: str, message: str) -> None:
    opt_in = MappedOptIn(called=called, values=("granted",))
    assert [found.message for found in lint_mapping(FIELDS, [EMAIL, MOBILE], opt_in)] == [message]


@pytest.mark.parametrize(
    ("called", "data_type", "severity"),
    [
        ("1", "double", "warning"),
        ("gender", "bigint", "warning"),
        ("gender", "varchar[]", "warning"),
        ("birth_date", "bigint", "error"),
        ("colours", "date", "error"),
        ("birth_date", "date", None),
        ("birth_date", "varchar", None),
        ("colours", "varchar[]", None),
        ("gender", "boolean", None),
        ("points", "double", None),
    ],
)
def test_a_column_of_a_type_that_the_field_does_not_fit_is_found(
    called: str, data_type: str, severity: str | None
) -> None:
    more = [
        Field("4", "Date of Birth", "birth_date", "birthdate"),
        Field("10231", "Colours", "colours", "multichoice"),
        Field("10250", "Points", "points", "numeric"),
    ]
    mapped = MappedField(called=called, property="value", data_type=data_type)
    found = lint_mapping([*FIELDS, *more], [EMAIL, MOBILE, mapped])
    assert [each.severity for each in found] == ([] if severity is None else [severity])
    assert all(f"but its column is {data_type}" in each.message for each in found)


def test_opt_in_values_that_are_no_choices_are_found() -> None:
    choices = (Choice("1", "Granted"), Choice("2", "Withdraw"))
    opt_in = MappedOptIn(called="gender", values=("granted", "withdrawn"), choices=choices)
    assert [found.message for found in lint_mapping(FIELDS, [EMAIL, MOBILE], opt_in)] == [
        "opt-in: field 5 (Gender) is of type singlechoice, not a text field",
        "opt-in: field 5 (Gender), 'withdrawn': the value given is no choice of Gender; "
        "the nearest: Withdraw (2)",
    ]


def test_opt_in_values_must_fit_the_field() -> None:
    opt_in = MappedOptIn(called="10500", values=("x" * 61,))
    (found,) = lint_mapping(FIELDS, [EMAIL, MOBILE], opt_in)
    assert found.message == "opt-in: field 10500 (WhatsApp opt-in) takes at most 60 characters"


def test_too_many_fields_and_missing_identifiers_are_found() -> None:
    names = [MappedField(called="1", property=f"name_{number}") for number in range(21)]
    assert [(found.severity, found.message) for found in lint_mapping(FIELDS, names)] == [
        ("error", "21 fields are mapped; an export holds 20"),
        ("warning", "no field is mapped as phone identifier"),
        ("warning", "no field is mapped as email identifier"),
    ]
