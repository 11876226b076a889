"""The settings of one Emarsys account: connection, segments, mapped fields and opt-in field."""

import re
from collections import Counter
from typing import Annotated, Any, Literal, Self

import phonenumbers
from pydantic import ConfigDict, Field, field_validator, model_validator

from emarsys_pipeline.settings.secret import SecretReference
from emarsys_pipeline.settings.sections import Mistakes, Section, require_protected_url

# A thousand contacts with such values stay below the 8 MB of a request, whatever the letters.
MAX_VALUE_LENGTH = 500

# Emarsys takes at most 20 fields in an export or a webhook preset.
MAX_MAPPED_FIELDS = 20

# Columns that the tables with a column per property already have.
RESERVED_PROPERTIES = frozenset(
    {
        "account", "changed_fields", "changed_window_start", "contact_id", "emarsys_contacts",
        "email_addresses", "first_window_start", "identity_id", "is_member", "loaded_at",
        "merged_into", "operation", "opt_in_read_at", "opt_in_value", "phone_numbers",
        "platform_contacts", "requested_at", "row_hash", "run_id", "segment_id",
        "touched_window_start", "window_start",
    }
)  # fmt: skip

# Emarsys's own e-mail opt-in field, by id, string id and name. Some mapping examples call 31
# "Phone"; a mapping built on them would read consent as phone numbers, or write over it.
EMAIL_OPT_IN_FIELD = frozenset({"31", "optin", "opt-in"})

ACCOUNT_NAME = re.compile(r"[a-z0-9][a-z0-9_]*")
PROPERTY_NAME = re.compile(r"[a-z][a-z0-9_]*")


def _text_of_number(value: object) -> object:
    """Ids may be written as numbers; they are text everywhere in the pipeline."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class WsseConnection(Section):
    """Credentials of an API user of the v2 API."""

    auth: Literal["wsse"] = Field(description="wsse or oauth2")
    username: SecretReference = Field(description="${NAME} of the variable with the API user")
    secret: SecretReference = Field(description="${NAME} of the variable with its secret")


class OAuth2Connection(Section):
    """Credentials of a client of the v3 API."""

    auth: Literal["oauth2"] = Field(description="wsse or oauth2")
    client_id: SecretReference = Field(description="${NAME} of the variable with the client id")
    client_secret: SecretReference = Field(description="${NAME} of the variable with its secret")
    token_url: str = Field(
        default="https://auth.emarsys.net/oauth2/token", description="the URL that issues tokens"
    )

    _protected = field_validator("token_url")(require_protected_url)


class SegmentReference(Section):
    """A segment to import, by id or by name; written as a number, {id: ...} or {name: ...}."""

    id: str | None = Field(default=None, min_length=1, description="the segment's id")
    name: str | None = Field(default=None, min_length=1, description="the segment's name")

    @model_validator(mode="before")
    @classmethod
    def _from_number(cls, value: Any) -> Any:
        if isinstance(value, int | str) and not isinstance(value, bool):
            return {"id": str(value)} if str(value).isdigit() else {"name": value}
        if isinstance(value, dict):
            return {key: _text_of_number(item) for key, item in value.items()}
        return value

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.id is None) == (self.name is None):
            raise ValueError("names no single segment; write either its id or its name")
        return self


class FieldMapping(Section):
    """One Emarsys field that is imported, and the property it becomes."""

    # "as" is no name for an argument in Python, so code may say property.
    model_config = ConfigDict(populate_by_name=True)

    emarsys: str = Field(min_length=1, description="the Emarsys field: its id, string id or name")
    property: str = Field(
        alias="as", description="the property it becomes: a column name of our tables"
    )
    identifier: Literal["phone", "email"] | None = Field(
        default=None, description="phone or email if the field identifies a person; else leave out"
    )
    choices: Literal["label", "id"] = Field(
        default="label", description="label or id: what is stored of a choice field"
    )

    _id_as_text = field_validator("emarsys", mode="before")(_text_of_number)

    @field_validator("property")
    @classmethod
    def _free_column_name(cls, value: str) -> str:
        if not PROPERTY_NAME.fullmatch(value):
            raise ValueError(
                "is no property name; write lower-case letters, digits and _, a letter first"
            )
        if value in RESERVED_PROPERTIES:
            raise ValueError(
                f"is the name of a column that the tables already have; write for example "
                f"emarsys_{value}"
            )
        return value

    @model_validator(mode="after")
    def _identifier_is_no_consent(self) -> Self:
        if self.identifier is not None and self.emarsys.lower() in EMAIL_OPT_IN_FIELD:
            mistakes = Mistakes()
            mistakes.add(
                ("emarsys",),
                f"is Emarsys's e-mail opt-in field and holds no {self.identifier}; write 37 for "
                "Mobile, 15 for Phone or 3 for Email",
            )
            mistakes.raise_if_any()
        return self


class OptInSettings(Section):
    """The field of the account that keeps each contact's opt-in to one channel."""

    field: str = Field(
        min_length=1, description="the opt-in field: its id, string id or name; a text field"
    )
    channel: str = Field(
        default="whatsapp", min_length=1, description="the messaging channel that the field follows"
    )
    granted: str = Field(
        default="granted",
        min_length=1,
        max_length=MAX_VALUE_LENGTH,
        description="the text that means granted (in quotes)",
    )
    withdrawn: str = Field(
        default="withdrawn",
        min_length=1,
        max_length=MAX_VALUE_LENGTH,
        description="the text that means withdrawn (in quotes)",
    )
    create_missing_contacts: bool = Field(
        default=False,
        description=(
            "true or false: whether an opt-in whose contact was deleted in Emarsys makes it anew, "
            "by its e-mail address or phone number"
        ),
    )

    _as_text = field_validator("field", "granted", "withdrawn", mode="before")(_text_of_number)

    @model_validator(mode="after")
    def _writes_its_own_field(self) -> Self:
        mistakes = Mistakes()
        if self.field.lower() in EMAIL_OPT_IN_FIELD:
            mistakes.add(
                ("field",),
                "is Emarsys's own e-mail opt-in field, and consent to another channel would "
                "overwrite it; create a text field in Emarsys and name it here",
            )
        if self.granted == self.withdrawn:
            mistakes.add(("withdrawn",), "is also the text for granted; write two different texts")
        mistakes.raise_if_any()
        return self


class AccountSettings(Section):
    """One Emarsys account."""

    name: str = Field(description="the account's name in partition keys and tables")
    base_url: str = Field(
        default="https://api.emarsys.net", description="the address of the API, without a path"
    )
    connection: Annotated[WsseConnection | OAuth2Connection, Field(discriminator="auth")] = Field(
        description="a mapping with auth: wsse or auth: oauth2 and the credentials"
    )
    default_region: str = Field(
        description="two letters, for example DE: the country of numbers without a country code"
    )
    language: str = Field(
        default="en",
        pattern=r"^[a-z]{2}(-[a-z]{2})?$",
        description="the language of choice labels, for example en or de",
    )
    segments: tuple[SegmentReference, ...] = Field(
        min_length=1, description="a list of segments: ids, or {name: ...}"
    )
    fields: tuple[FieldMapping, ...] = Field(
        min_length=1, description="a list of 1 to 20 fields: {emarsys: ..., as: ...}"
    )
    opt_in: OptInSettings | None = Field(
        default=None, description="the opt-in field: {field: ..., channel: ...}"
    )

    _protected = field_validator("base_url")(require_protected_url)

    @field_validator("name")
    @classmethod
    def _fits_partition_keys(cls, value: str) -> str:
        if not ACCOUNT_NAME.fullmatch(value):
            raise ValueError(
                "is no account name; write lower-case letters, digits and _, for example shop_de"
            )
        return value

    @field_validator("default_region")
    @classmethod
    def _known_region(cls, value: str) -> str:
        if value not in phonenumbers.SUPPORTED_REGIONS:
            example = "GB" if value == "UK" else value.upper()
            hint = example if example in phonenumbers.SUPPORTED_REGIONS else "DE"
            raise ValueError(f"is no region; write its two ISO letters, for example {hint}")
        return value

    @model_validator(mode="after")
    def _mapping_is_usable(self) -> Self:
        mistakes = Mistakes()
        if len(self.fields) > MAX_MAPPED_FIELDS:
            mistakes.add(
                ("fields",),
                f"maps {len(self.fields)} fields, and Emarsys exports at most {MAX_MAPPED_FIELDS}; "
                f"remove {len(self.fields) - MAX_MAPPED_FIELDS}",
            )
        if all(mapping.identifier is None for mapping in self.fields):
            mistakes.add(
                ("fields",),
                "has no field that identifies a person, so nothing could be stitched; add "
                "identifier: email or identifier: phone to one",
            )
        self._note_repetitions(mistakes)
        self._note_opt_in_field_that_identifies(mistakes)
        mistakes.raise_if_any()
        return self

    def _note_repetitions(self, mistakes: Mistakes) -> None:
        properties: Counter[str] = Counter()
        fields: Counter[str] = Counter()
        for position, mapping in enumerate(self.fields):
            properties[mapping.property] += 1
            fields[mapping.emarsys.lower()] += 1
            if properties[mapping.property] > 1:
                mistakes.add(
                    ("fields", position, "as"),
                    "is already the property of another field of this account; write another name",
                )
            if fields[mapping.emarsys.lower()] > 1:
                mistakes.add(
                    ("fields", position, "emarsys"),
                    "is already mapped in this account; remove one of the two",
                )
        segments: Counter[SegmentReference] = Counter()
        for position, segment in enumerate(self.segments):
            segments[segment] += 1
            if segments[segment] > 1:
                mistakes.add(
                    ("segments", position), "is already in the list; remove one of the two"
                )

    def _note_opt_in_field_that_identifies(self, mistakes: Mistakes) -> None:
        if self.opt_in is None:
            return
        identifiers = {mapping.emarsys.lower() for mapping in self.fields if mapping.identifier}
        if self.opt_in.field.lower() in identifiers:
            mistakes.add(
                ("opt_in", "field"),
                "identifies persons, and consent would overwrite it; create a text field in "
                "Emarsys and name it here",
            )
