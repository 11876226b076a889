"""How imported persons reach the messaging side; all of it is off unless it is written."""

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from emarsys_pipeline.settings.secret import SecretReference
from emarsys_pipeline.settings.sections import Section, require_protected_url


class HandOverSettings(Section):
    """Files of new and changed persons, one per window."""

    folder: Path = Field(description="the folder of the files; a relative one counts from home")
    format: Literal["ndjson", "parquet"] = Field(default="ndjson", description="ndjson or parquet")


class MessagingHttpSettings(Section):
    """The messaging platform's contact API: one upsert per person."""

    url: str = Field(
        description="the address that takes contact upserts, for example "
        "https://your-name.hello-charles.com/api/v1beta/contacts"
    )
    secret: SecretReference = Field(description="${NAME} of the variable with the API key")
    source_type: str = Field(
        default="emarsys", min_length=1, description="what the platform calls this source"
    )
    sensor_interval_seconds: int = Field(
        default=30, ge=1, description="seconds between two looks for upserts to send"
    )
    batch_size: int = Field(
        default=500, ge=1, le=1000, description="upserts between two commits, at most 1000"
    )
    parallel_requests: int = Field(
        default=4, ge=1, le=32, description="requests at a time, at most 32"
    )
    timeout_seconds: float = Field(
        default=30, gt=0, description="seconds before a request without answer is given up"
    )
    settle_after_seconds: float = Field(
        default=60, ge=0, description="seconds before an upsert without answer is sent again"
    )
    retry_base_seconds: float = Field(
        default=30, gt=0, description="seconds before the first repetition; doubled each time"
    )

    _protected = field_validator("url")(require_protected_url)


class MessagingSettings(Section):
    """The ways to the messaging side."""

    hand_over: HandOverSettings | None = Field(
        default=None, description="a mapping with at least folder"
    )
    http: MessagingHttpSettings | None = Field(
        default=None, description="a mapping with at least url and secret"
    )
