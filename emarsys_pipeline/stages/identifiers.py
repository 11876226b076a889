"""Phone numbers and e-mail addresses in the one form in which they can be compared.

What libphonenumber and email-validator decide is what holds here. SQL settles what it can prove
from the text alone, and the libraries get the rest, so that most rows never reach Python.

Phone numbers become E.164 (``+491701234567``): parsed with the region of the contact's country,
or the account's default, and valid for libphonenumber. E-mail addresses are trimmed, put in lower
case and checked for syntax; whether they can be delivered to is not asked.
"""

import duckdb
import email_validator
import rphonenumbers
from duckdb.func import FunctionNullHandling, PythonUDFType

from emarsys_pipeline.stages.phone_patterns import phone_patterns
from emarsys_pipeline.warehouse import load_sql

REASONS = {
    "phone_not_a_number": "the text holds no phone number",
    "phone_unknown_country_code": "the number starts with a country code that nobody has, or has "
    "none and no country is known for the contact",
    "phone_too_short": "the number has too few digits for its country",
    "phone_too_long": "the number has too many digits for its country",
    "phone_invalid_length": "no number of its country has this many digits",
    "phone_not_assigned": "no number of its country starts like this",
    "email_no_at_sign": "the text holds no @",
    "email_invalid_syntax": "the text is not an e-mail address",
    "email_special_use_domain": "the domain is reserved and belongs to nobody, like localhost",
}
"""Why a text has no normal form: reason code to a sentence for people."""

_PARSE_REASONS = {
    rphonenumbers.NumberParseException.INVALID_COUNTRY_CODE: "phone_unknown_country_code",
    rphonenumbers.NumberParseException.NOT_A_NUMBER: "phone_not_a_number",
    rphonenumbers.NumberParseException.TOO_SHORT_AFTER_IDD: "phone_too_short",
    rphonenumbers.NumberParseException.TOO_SHORT_NSN: "phone_too_short",
    rphonenumbers.NumberParseException.TOO_LONG: "phone_too_long",
}
_LENGTH_REASONS = {
    rphonenumbers.ValidationResult.INVALID_COUNTRY_CODE: "phone_unknown_country_code",
    rphonenumbers.ValidationResult.TOO_SHORT: "phone_too_short",
    rphonenumbers.ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "phone_too_short",
    rphonenumbers.ValidationResult.TOO_LONG: "phone_too_long",
    rphonenumbers.ValidationResult.INVALID_LENGTH: "phone_invalid_length",
}
_E164 = rphonenumbers.PhoneNumberFormat.E164

_VARCHAR = duckdb.sqltype("varchar")


def normalise_phone(text: str | None, region: str | None) -> str | None:
    """The number in E.164, or None when libphonenumber does not hold it valid.

    Args:
        text: the number as somebody wrote it.
        region: two letters of the country that a number without a country code belongs to.
    """
    if text is None:
        return None
    try:
        number = rphonenumbers.parse(text, region)
    except rphonenumbers.NumberParseException:
        return None
    if not rphonenumbers.is_valid_number(number):
        return None
    return str(rphonenumbers.format_number(number, _E164))


def phone_rejection(text: str | None, region: str | None) -> str | None:
    """The key of :data:`REASONS` that says why a number is refused; None for a valid one."""
    if text is None:
        return None
    try:
        number = rphonenumbers.parse(text, region)
    except rphonenumbers.NumberParseException as error:
        return _PARSE_REASONS.get(error.error_type, "phone_not_a_number")
    if rphonenumbers.is_valid_number(number):
        return None
    length = rphonenumbers.is_possible_number_with_reason(number)
    return _LENGTH_REASONS.get(length, "phone_not_assigned")


def normalise_email(text: str | None) -> str | None:
    """The address in lower case, or None when its syntax is wrong."""
    if text is None:
        return None
    try:
        found = email_validator.validate_email(text.strip().lower(), check_deliverability=False)
    except email_validator.EmailNotValidError:
        return None
    return found.normalized.lower()


def email_rejection(text: str | None) -> str | None:
    """The key of :data:`REASONS` that says why an address is refused; None for a valid one."""
    if text is None:
        return None
    try:
        email_validator.validate_email(text.strip().lower(), check_deliverability=False)
    except email_validator.EmailNotValidError as error:
        if "@" not in text:
            return "email_no_at_sign"
        if "special-use" in str(error):
            return "email_special_use_domain"
        return "email_invalid_syntax"
    return None


def register_normalisers(connection: duckdb.DuckDBPyConnection) -> None:
    """Give this connection the SQL functions of this module; safe to call again.

    ``normalise_phone(text, region)`` and ``normalise_email(text)`` give null for what is empty or
    not valid; ``phone_rejection(text, region)`` and ``email_rejection(text)`` give the reason,
    and null for what is valid.
    """
    if not _is_registered(connection):
        for name, function, arguments in (
            ("library_phone", normalise_phone, 2),
            ("phone_rejection", phone_rejection, 2),
            ("library_email", normalise_email, 1),
            ("email_rejection", email_rejection, 1),
        ):
            # Not by Arrow columns: in DuckDB 1.5.5 the longer strings that coalesce or case take
            # from an Arrow function point into memory that is already freed.
            connection.create_function(
                name,
                function,
                [_VARCHAR] * arguments,
                _VARCHAR,
                type=PythonUDFType.NATIVE,
                null_handling=FunctionNullHandling.SPECIAL,
            )
    patterns = phone_patterns()
    connection.execute(
        load_sql(
            __package__,
            "identifiers.sql",
            mobile=patterns.mobile,
            after_code=patterns.after_code,
            code_of_region=patterns.code_of_region,
            code_of_trunk_region=patterns.code_of_trunk_region,
        )
    )


def _is_registered(connection: duckdb.DuckDBPyConnection) -> bool:
    # Listing all functions would take a hundred times longer; a failed bind leaves the
    # transaction as it is.
    try:
        connection.execute("select library_phone(null, null)")
    except duckdb.CatalogException:
        return False
    return True
