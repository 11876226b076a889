"""Which contacts are one person, and whose values that person's golden record takes."""

import re
from collections.abc import Collection, Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from emarsys_pipeline.settings.sections import Section

BEYOND_RE2 = re.compile(r"\(\?(?:[=!(]|<[=!])|\(\?P=|\\[1-9]")


def _pattern(text: str) -> str:
    """The pattern, if RE2 can use it: Python's syntax without looking around or back."""
    remedy = "write for example '.*@example[.]org'"
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"is no regular expression ({error}); {remedy}") from None
    if BEYOND_RE2.search(text):
        raise ValueError(f"looks around or back, which DuckDB's expressions cannot; {remedy}")
    return text


class PropertyRule(Section):
    """Whose value a golden record takes."""

    rule: Literal["priority", "newest"] = Field(
        default="priority",
        description="priority or newest: whether the first source wins, or the newest change",
    )
    sources: tuple[str, ...] = Field(
        default=("emarsys", "platform"),
        description="a list of emarsys, platform and names of accounts, the first first",
    )


class GoldenRecordSettings(PropertyRule):
    """Whose values golden records take, and what differs for single properties."""

    properties: dict[str, PropertyRule] = Field(
        default={}, description="a mapping of properties to rule and sources of their own"
    )

    def unknown_names(
        self, accounts: Collection[str], properties: Collection[str]
    ) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Names of sources and properties that the other settings do not know, each with a text."""
        known = ["emarsys", "platform", *sorted(accounts)]
        rules: list[tuple[tuple[str | int, ...], PropertyRule]] = [((), self)]
        for name, rule in self.properties.items():
            rules.append((("properties", name), rule))
            if name not in properties:
                yield (
                    ("properties", name),
                    f"is a property that no account maps; write one of {', '.join(properties)}",
                )
        for place, rule in rules:
            for position, source in enumerate(rule.sources):
                if source not in known:
                    yield (
                        (*place, "sources", position),
                        f"is no source; write one of {', '.join(known)}",
                    )

    def rule_for(self, name: str) -> PropertyRule:
        """The rule of one property; what its own entry leaves out is that of all."""
        given = self.properties.get(name, PropertyRule())
        own = {key: getattr(given, key) for key in given.model_fields_set}
        return PropertyRule(**{"rule": self.rule, "sources": self.sources, **own})


class StitchingSettings(Section):
    """What keeps records of different persons apart."""

    mode: Literal["incremental", "full"] = Field(
        default="incremental",
        description=(
            "incremental or full: whether a window links the records anew that its changes touch, "
            "or all, which gives the same identities for more work"
        ),
    )
    full_every_days: int = Field(
        default=7,
        ge=0,
        description=(
            "in the mode incremental all records are linked anew this often, to see that nothing "
            "was missed; 0: only when there is nothing to build on"
        ),
    )
    blocked_identifiers: tuple[str, ...] = Field(
        default=(), description="a list of phone numbers and e-mail addresses that link nobody"
    )
    block_placeholders: bool = Field(
        default=True,
        description="true or false: whether well-known junk, as test@test.com, links nobody",
    )
    blocked_patterns: tuple[Annotated[str, AfterValidator(_pattern)], ...] = Field(
        default=(),
        description="a list of regular expressions (RE2) over whole identifiers that link nobody",
    )
    max_contacts_per_identifier: int = Field(
        default=10, ge=2, description="an identifier held by more contacts links nobody"
    )
    max_contacts_per_identity: int = Field(
        default=16, ge=2, description="an identity of more contacts is taken apart"
    )
    messaging_conflict: Literal["quarantine", "phone", "email", "merge"] = Field(
        default="quarantine",
        description=(
            "quarantine, phone, email or merge: which identifier links a contact whose phone leads "
            "to one messaging-side person and whose e-mail to another"
        ),
    )
    unusual_merges_factor: float = Field(
        default=5.0,
        ge=1,
        description="merges of a window are unusual above this many times the mean of earlier ones",
    )
    unusual_merges_minimum: int = Field(
        default=100, ge=0, description="so many merges in a window are never unusual"
    )
    golden_records: GoldenRecordSettings = Field(
        default=GoldenRecordSettings(), description="a mapping"
    )
