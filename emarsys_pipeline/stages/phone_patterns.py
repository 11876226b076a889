"""What libphonenumber's own metadata lets SQL decide about phone numbers by itself.

Only mobile numbers of some countries, in forms that leave libphonenumber no choice: they match
the whole mobile pattern of their country, their country's trunk prefix is 0 or none, and no other
rule of that country could apply. Everything else is left to the library, so that a number is
never decided differently here; a test compares many thousands of texts.
"""

import re
from dataclasses import dataclass
from functools import cache
from importlib import metadata

import phonenumbers
import rphonenumbers

REGIONS = (
    *("AT", "BE", "CH", "CZ", "DE", "DK", "ES", "FR", "GB", "IE", "IT", "LU", "NL", "NO"),
    *("PL", "PT", "SE", "SK"),
)
"""Countries that are tried; one that breaks a condition below is left out."""

NEVER = "[^0-9]"
"""A pattern that no digits match."""

_TRUNK = re.compile(r"0(\|\d+)?")
_TOKEN = re.compile(r"\(\?:|\[[^]]*\]|\\d|\{\d+(?:,\d+)?\}|.")
_QUANTIFIER = re.compile(r"\?|\{(?P<low>\d+)(?:,(?P<high>\d+))?\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PhonePatterns:
    """Parts of the SQL that recognises plain mobile numbers.

    Attributes:
        mobile: pattern of country code and mobile number, without a plus sign.
        after_code: pattern of a plus sign, a country code and a trunk 0; all but the 0 in a group.
        code_of_region: an expression: the country code of ``region``, null when it is not known.
        code_of_trunk_region: the same, for countries with a trunk 0.
    """

    mobile: str
    after_code: str
    code_of_region: str
    code_of_trunk_region: str


@cache
def phone_patterns() -> PhonePatterns:
    """The parts, made from the metadata of the installed phonenumbers.

    When the two libraries carry different metadata, nothing is decided in SQL.
    """
    mobile, codes, trunk = [], {}, {}
    if metadata.version("phonenumbers") == rphonenumbers.__phonenumbers_version__:
        for region in REGIONS:
            pattern = _plain_mobile_pattern(region)
            if pattern is not None:
                code = str(phonenumbers.country_code_for_region(region))
                mobile.append(f"{code}(?:{pattern})")
                codes[region] = code
                if _has_trunk_zero(region):
                    trunk[region] = code
    return PhonePatterns(
        mobile="|".join(mobile) or NEVER,
        after_code=rf"^(\+(?:{'|'.join(trunk.values()) or NEVER}))0",
        code_of_region=_lookup(codes),
        code_of_trunk_region=_lookup(trunk),
    )


def _plain_mobile_pattern(region: str) -> str | None:
    found = phonenumbers.PhoneMetadata.metadata_for_region(region)
    if found is None or found.mobile is None or found.general_desc is None:
        return None
    pattern = found.mobile.national_number_pattern
    main_region = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[found.country_code or 0][0]
    if (
        pattern is None
        or main_region != region
        or found.international_prefix != "00"
        or found.leading_digits is not None
        or found.national_prefix_transform_rule is not None
        or not (found.national_prefix_for_parsing is None or _has_trunk_zero(region))
    ):
        return None
    lengths = set(found.mobile.possible_length) & set(found.general_desc.possible_length)
    if not _lengths(pattern) <= lengths or re.match(pattern, "0"):
        return None
    return pattern


def _has_trunk_zero(region: str) -> bool:
    found = phonenumbers.PhoneMetadata.metadata_for_region(region)
    rule = found.national_prefix_for_parsing if found is not None else None
    return rule is not None and _TRUNK.fullmatch(rule) is not None


def _lengths(pattern: str) -> set[int]:
    r"""Every length of text that a metadata pattern can match.

    Such patterns are made of digits, ``\d``, ``[...]``, ``(?:...)``, ``|``, ``?`` and ``{n,m}``.
    """
    lengths, rest = _alternatives(_TOKEN.findall(pattern))
    if rest:
        raise ValueError(f"no metadata pattern: {pattern}")
    return lengths


def _alternatives(tokens: list[str]) -> tuple[set[int], list[str]]:
    """The lengths of an alternation up to its closing bracket, and the tokens after it."""
    found: set[int] = set()
    branch = {0}
    while tokens:
        part, *tokens = tokens
        if part == ")":
            break
        if part == "|":
            found, branch = found | branch, {0}
            continue
        atom = {1}
        if part == "(?:":
            atom, tokens = _alternatives(tokens)
        low, high = 1, 1
        if tokens and (quantifier := _QUANTIFIER.fullmatch(tokens[0])):
            low = 0 if tokens[0] == "?" else int(quantifier["low"])
            high = 1 if tokens[0] == "?" else int(quantifier["high"] or low)
            tokens = tokens[1:]
        branch = {
            size + repeated
            for size in branch
            for times in range(low, high + 1)
            for repeated in _sums(atom, times)
        }
    return found | branch, tokens


def _sums(sizes: set[int], times: int) -> set[int]:
    total = {0}
    for _ in range(times):
        total = {one + other for one in total for other in sizes}
    return total


def _lookup(codes: dict[str, str]) -> str:
    cases = " ".join(f"when '{region}' then '{code}'" for region, code in codes.items())
    return f"case region {cases} end" if cases else "null"
