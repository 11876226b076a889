"""Normal forms: SQL and the libraries must agree on every text."""

import random

import duckdb
import email_validator
import phonenumbers
import pyarrow as pa
import pytest

from emarsys_pipeline.stages.identifiers import REASONS, register_normalisers
from emarsys_pipeline.stages.phone_patterns import REGIONS

SEED = 20260301


@pytest.fixture
def connection() -> duckdb.DuckDBPyConnection:
    opened = duckdb.connect()
    register_normalisers(opened)
    return opened


def normalised(
    connection: duckdb.DuckDBPyConnection, call: str, rows: list[tuple[str | None, ...]]
) -> list[str | None]:
    columns = dict(zip(("text", "region"), zip(*rows, strict=True), strict=False))
    table = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    connection.register("texts", table)
    return [row[0] for row in connection.execute(f"select {call} from texts").fetchall()]  # noqa: S608  # calls of ours


def by_phonenumbers(text: str, region: str | None) -> str | None:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def by_email_validator(text: str) -> str | None:
    try:
        found = email_validator.validate_email(text.strip().lower(), check_deliverability=False)
    except email_validator.EmailNotValidError:
        return None
    return found.normalized.lower()


def random_phones(source: random.Random, count: int) -> list[tuple[str, str | None]]:
    """Numbers like those of many countries, written in many ways, with some digits wrong."""
    regions = ["DE", "AT", "CH", "FI", "IT", "FR", "GB", "US", "HU", "BR", "AR", "MX", "RU", "JP"]
    regions += REGIONS
    types = [phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE]
    made: list[tuple[str, str | None]] = []
    while len(made) < count:
        region = source.choice(regions)
        example = phonenumbers.example_number_for_type(region, source.choice(types))
        assert example is not None
        digits = list(str(phonenumbers.national_significant_number(example)))
        for _ in range(source.randrange(4)):
            digits[source.randrange(len(digits))] = source.choice("0123456789")
        national = "".join(digits)
        if source.random() < 0.1:
            national = national[: source.randrange(1, len(national) + 1)]
        code = phonenumbers.country_code_for_region(region)
        text = source.choice(
            [
                f"+{code}{national}",
                f"00{code}{national}",
                f"+{code} (0){national}",
                f"+{code} (0) {national[:3]} {national[3:]}",
                f"0{national}",
                national,
                f"0{national[:3]}/{national[3:]}",
                f"({national[:2]}) {national[2:5]}-{national[5:]}",
                f"{code}{national}",
                f"+{code}.{national[:3]}.{national[3:]}",
                f" 0{national} ",
                f"0{national} ext. 12",
                f"tel:+{code}{national}",
                f"0{national}a",
            ]
        )
        written_in = region if source.random() < 0.8 else source.choice([*regions, None])
        made.append((text, written_in))
    return made


def test_phones_are_what_phonenumbers_says(connection: duckdb.DuckDBPyConnection) -> None:
    rows = random_phones(random.Random(SEED), 6000)  # noqa: S311  # not a secret
    found = normalised(connection, "normalise_phone(text, region)", list(rows))
    expected = [by_phonenumbers(*row) for row in rows]
    wrong = [
        (row, got, want)
        for row, got, want in zip(rows, found, expected, strict=True)
        if got != want
    ]
    assert wrong == [], f"seed {SEED}"
    assert sum(value is not None for value in expected) > 3000


def test_sql_alone_settles_plain_mobile_numbers(connection: duckdb.DuckDBPyConnection) -> None:
    """Else imports would be correct, and many times slower."""
    rows: list[tuple[str | None, ...]] = [
        ("+49 170 1234567", None),
        ("0170/1234567", "DE"),
        ("(0170) 123-45-67", "DE"),
        ("0049 (0)170 1234567", "AT"),
        ("+49 (0) 170 1234567", "FR"),
        ("170 1234567", "DE"),
        ("+43 664 1234567", "DE"),
        ("320 1234567", "IT"),
        ("030 1234567", "DE"),
        ("0170 1234567", "US"),
        ("0170 1234567", None),
        ("0170 1234567 ext. 5", "DE"),
    ]
    german = "+491701234567"
    assert normalised(connection, "plain_mobile(text, region)", rows) == [
        *[german] * 6,
        *["+436641234567", "+393201234567"],
        *[None] * 4,
    ]


def test_addresses_are_what_email_validator_says(connection: duckdb.DuckDBPyConnection) -> None:
    source = random.Random(SEED)  # noqa: S311  # not a secret
    pieces = ["a", "B", "9", ".", "-", "_", "+", "@", " ", "ä", "xn--", "example", ".org", ".test"]
    pieces += ["'", "!", "..", "--", "@example.org", "@sub.example.org", '"', "localhost", "<", ">"]
    texts = ["".join(source.choices(pieces, k=source.randrange(1, 8))) for _ in range(6000)]
    texts += ["a" * 64 + "@example.org", "a@" + "b" * 63 + ".org", "a@" + "b" * 64 + ".org"]
    texts += ["a" * 242 + "@example.org", "a" * 243 + "@example.org", "x@1.2", "x@example.1a"]
    found = normalised(connection, "normalise_email(text)", [(text,) for text in texts])
    expected = [by_email_validator(text) for text in texts]
    wrong = [
        (text, got, want)
        for text, got, want in zip(texts, found, expected, strict=True)
        if got != want
    ]
    assert wrong == [], f"seed {SEED}"
    assert sum(value is not None for value in expected) > 100


def test_nothing_stays_nothing(connection: duckdb.DuckDBPyConnection) -> None:
    rows: list[tuple[str | None, ...]] = [(None, "DE"), ("", "DE"), ("   ", "DE")]
    assert normalised(connection, "normalise_phone(text, region)", rows) == [None] * 3
    assert normalised(connection, "normalise_email(text)", rows) == [None] * 3


@pytest.mark.parametrize(
    ("call", "text", "region", "reason"),
    [
        ("phone_rejection(text, region)", "ask me", "DE", "phone_not_a_number"),
        ("phone_rejection(text, region)", "0170 1234567", None, "phone_unknown_country_code"),
        ("phone_rejection(text, region)", "+999 1701234567", "DE", "phone_unknown_country_code"),
        ("phone_rejection(text, region)", "01", "DE", "phone_too_short"),
        ("phone_rejection(text, region)", "0170 1234567890123", "DE", "phone_too_long"),
        ("phone_rejection(text, region)", "+1 555 555 0100", "DE", "phone_not_assigned"),
        ("phone_rejection(text, region)", "0170 1234567", "DE", None),
        ("email_rejection(text)", "n/a", None, "email_no_at_sign"),
        ("email_rejection(text)", "mina@", None, "email_invalid_syntax"),
        ("email_rejection(text)", "mina@localhost.localhost", None, "email_special_use_domain"),
        ("email_rejection(text)", "mina@example.org", None, None),
    ],
)
def test_a_refusal_has_a_reason(
    connection: duckdb.DuckDBPyConnection,
    call: str,
    text: str,
    region: str | None,
    reason: str | None,
) -> None:
    assert normalised(connection, call, [(text, region)]) == [reason]
    assert reason is None or reason in REASONS


def test_registering_twice_is_harmless(connection: duckdb.DuckDBPyConnection) -> None:
    register_normalisers(connection)
    assert normalised(connection, "normalise_email(text)", [(" A@Example.ORG ",)]) == [
        "a@example.org"
    ]
