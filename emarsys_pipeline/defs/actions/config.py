"""What the Launchpad asks for before an action runs."""

from typing import Any

import dagster as dg
from pydantic import Field


class AccountConfig(dg.Config):
    """Which account, and in which language."""

    account: str | None = Field(
        default=None, description="Account of the settings; null for the only one"
    )
    language: str | None = Field(
        default=None, description="Of names and labels, as en or de; null for the account's own"
    )


class ContactConfig(AccountConfig):
    """Which contact."""

    key_field: str = Field(
        default="email",
        description="Field that names the contact: id, string id or name; id for the contact id",
    )
    key: str = Field(description="The contact's value of the key field")


class ReadContactConfig(ContactConfig):
    """Which of its fields."""

    fields: list[str] = Field(
        default=[], description="Fields to read, by id, string id or name; none means all"
    )


class UpdateContactConfig(ContactConfig):
    """What to write."""

    values: dict[str, str] = Field(
        description=(
            "New values by field (id, string id or name). Choices by id or label, several "
            "separated by commas. An empty text clears the field."
        )
    )
    create: bool = Field(
        default=True, description="Whether a contact that does not exist is created"
    )


class FieldConfig(AccountConfig):
    """Which field."""

    field: str = Field(description="The field's id, string id or name")


class TriggerEventConfig(ContactConfig):
    """Which event, with what."""

    event: str = Field(description="The external event's id or name")
    data: dict[str, Any] = Field(default={}, description="Values that the event's e-mail may use")
    trigger_id: str | None = Field(
        default=None,
        description="Emarsys takes an event with the same one once, so repeating is harmless",
    )
