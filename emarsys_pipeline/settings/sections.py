"""What all sections of the settings share: the base class and the report of several mistakes.

A check over more than one key reports the very key to correct, so that the message can name its
line.
"""

from dataclasses import dataclass, field
from typing import NoReturn

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "[::1]")


class Section(BaseModel):
    """A part of the settings: immutable, with no keys but those it declares."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


@dataclass(slots=True)
class Mistakes:
    """Collects what is wrong inside one section, each with the key it is about."""

    found: list[tuple[tuple[str | int, ...], str]] = field(default_factory=list)

    def add(self, at: tuple[str | int, ...], message: str) -> None:
        """Note a mistake at the key ``at``, counted from the section."""
        self.found.append((at, message))

    def raise_if_any(self) -> None:
        """Report everything found so far, as one pydantic error that carries each place."""
        if self.found:
            refuse(*self.found)


def refuse(*mistakes: tuple[tuple[str | int, ...], str]) -> NoReturn:
    """Raise one pydantic error for these mistakes, each a place within the section and a text."""
    raise PydanticCustomError(
        "mistakes",
        "{summary}",
        {"summary": "; ".join(text for _, text in mistakes), "mistakes": list(mistakes)},
    )


def require_protected_url(url: str) -> str:
    """The URL without a slash at its end; plain http only to this machine.

    Raises:
        ValueError: not a URL, or credentials would travel unencrypted.
    """
    scheme, separator, rest = url.partition("://")
    host = rest.split("/", 1)[0].rsplit(":", 1)[0]
    if not separator or scheme not in {"http", "https"} or not host:
        raise ValueError("is no URL; write for example https://api.emarsys.net")
    if scheme == "http" and host not in LOOPBACK_HOSTS:
        raise ValueError(
            "would send credentials unencrypted; write https:// (plain http is for a server on "
            "127.0.0.1 only)"
        )
    return url.rstrip("/")
