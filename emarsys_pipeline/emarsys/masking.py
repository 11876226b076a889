"""Takes personal data out of texts that Emarsys wrote, before they reach a log or an exception."""

import logging
import re

_EMAIL = re.compile(r"[^\s\"'<>(),;:=]+@[^\s\"'<>(),;]+")
_PHONE = re.compile(r"\+\d[\d ()/.-]{5,}\d|(?<![\w-])0\d[\d ()/.-]{5,}\d|(?<![\w-])\d{10,}")
# "No contact found with the external id: 3 - <value>": the value may be a name, so it goes whole.
_KEY_VALUE = re.compile(
    r"((?:external|with the) (?:id|identifier): \S+ - ).*", re.IGNORECASE | re.S
)
MAX_TEXT_CHARACTERS = 300


def mask_personal_data(text: str, *values: str) -> str:
    """``text`` without e-mail addresses, phone numbers, key values and the given ``values``."""
    for value in values:
        if value:
            text = text.replace(value, "<value>")
    text = _KEY_VALUE.sub(r"\1<value>", text)
    text = _EMAIL.sub("<email>", text)
    return _PHONE.sub("<number>", text)[:MAX_TEXT_CHARACTERS]


class QueryMask(logging.Filter):
    """Cuts the query out of urllib3's debug lines for one host: it can hold contact values."""

    URL_ARGUMENT = 4  # of '%s://%s:%s "%s %s %s" %s %s'

    def __init__(self, host: str) -> None:
        super().__init__()
        self.host = host

    def __eq__(self, other: object) -> bool:
        return isinstance(other, QueryMask) and other.host == self.host

    def __hash__(self) -> int:
        return hash(self.host)

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep every record, with the query replaced."""
        arguments = record.args
        if (
            isinstance(arguments, tuple)
            and len(arguments) > self.URL_ARGUMENT
            and arguments[1] == self.host
            and isinstance(url := arguments[self.URL_ARGUMENT], str)
        ):
            record.args = (
                *arguments[: self.URL_ARGUMENT],
                url.split("?")[0],
                *arguments[self.URL_ARGUMENT + 1 :],
            )
        return True
