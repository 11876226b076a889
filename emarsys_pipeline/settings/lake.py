"""Several machines: where they keep what one machine keeps in files."""

from typing import Self

from pydantic import Field, field_validator, model_validator

from emarsys_pipeline.settings.secret import SecretReference
from emarsys_pipeline.settings.sections import Mistakes, Section

S3 = "s3://"


class LakeStoreSettings(Section):
    """An S3-compatible server and how to sign in to it."""

    endpoint: str = Field(
        default="", description="its host and port, for example s3.example.org:9000; empty: AWS"
    )
    region: str = Field(default="us-east-1", min_length=1, description="the region's name")
    use_ssl: bool = Field(default=True, description="true or false: whether it speaks https")
    key_id: SecretReference = Field(description="${NAME} of the variable with the access key's id")
    secret: SecretReference = Field(description="${NAME} of the variable with the access key")

    @field_validator("endpoint")
    @classmethod
    def _has_no_scheme(cls, value: str) -> str:
        if "/" in value:
            raise ValueError("is an address with a scheme or path; write host:port")
        return value


class LakeSettings(Section):
    """A lake in place of the one file; inbox and rate limits are in the catalogue's database."""

    catalog: SecretReference = Field(
        description="${NAME} of the variable with PostgreSQL's connection string, for example "
        "host=db.example.org dbname=emarsys user=pipeline password=..."
    )
    schema_name: str = Field(
        default="emarsys_pipeline",
        alias="schema",
        pattern=r"^[a-z][a-z0-9_]{0,40}$",
        description="the schema of the catalogue in that database; lower case, digits and _",
    )
    data_path: str = Field(
        description="s3://bucket/path/, or the full path of a folder that all machines see"
    )
    s3: LakeStoreSettings | None = Field(
        default=None, description="a mapping with key_id and secret"
    )

    @field_validator("data_path")
    @classmethod
    def _is_a_folder(cls, value: str) -> str:
        if not value.startswith((S3, "/")) or not value.removeprefix(S3).strip("/"):
            raise ValueError("is no place for files; write s3://bucket/path/ or /a/folder/")
        return value.rstrip("/") + "/"

    @model_validator(mode="after")
    def _can_sign_in(self) -> Self:
        mistakes = Mistakes()
        if self.data_path.startswith(S3) and self.s3 is None:
            mistakes.add(("data_path",), "is on a server; write s3: with key_id and secret, too")
        mistakes.raise_if_any()
        return self


class MaintenanceSettings(Section):
    """How long a lake keeps its old states, and when it is tidied up; a file needs neither."""

    cron: str = Field(
        default="45 4 * * *",
        pattern=r"^\S+ \S+ \S+ \S+ \S+$",
        description="when to merge small files and remove old ones, as a cron expression in UTC",
    )
    keep_snapshots_days: float = Field(
        default=7, gt=0, description="days for which old states can be read (time travel)"
    )
