"""The settings of alerts: who is told when something fails."""

from collections import Counter
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from emarsys_pipeline.settings.secret import SecretReference
from emarsys_pipeline.settings.sections import LOOPBACK_HOSTS, Mistakes, Section


class WebhookTarget(Section):
    """A URL that takes alerts as JSON; its ``text`` is what Slack and Mattermost show."""

    kind: Literal["webhook"] = Field(description="webhook or email")
    name: str = Field(min_length=1, description="a name of your own for this target")
    url: SecretReference = Field(description="${NAME} of the variable with the address to POST to")


class EmailTarget(Section):
    """People who get alerts by mail."""

    kind: Literal["email"] = Field(description="webhook or email")
    name: str = Field(min_length=1, description="a name of your own for this target")
    host: str = Field(min_length=1, description="the mail server, for example smtp.example.org")
    port: int = Field(default=587, ge=1, le=65535, description="the mail server's port")
    security: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="starttls, tls or none"
    )
    username: SecretReference | None = Field(
        default=None, description="${NAME} of the variable with the user name, if one is needed"
    )
    password: SecretReference | None = Field(
        default=None, description="${NAME} of the variable with the password"
    )
    sender: str = Field(pattern=r".+@.+", description="the address that mails come from")
    recipients: tuple[str, ...] = Field(min_length=1, description="a list of addresses")

    @model_validator(mode="after")
    def _signs_in_safely(self) -> Self:
        mistakes = Mistakes()
        if (self.username is None) != (self.password is None):
            mistakes.add(("username",), "needs a password, and a password a username; write both")
        if self.security == "none" and self.username and self.host not in LOOPBACK_HOSTS:
            mistakes.add(
                ("security",), "would send the password unencrypted; write starttls or tls"
            )
        mistakes.raise_if_any()
        return self


Target = Annotated[WebhookTarget | EmailTarget, Field(discriminator="kind")]


class AlertSettings(Section):
    """Who is told when a run, a check, a schedule or a sensor fails."""

    targets: tuple[Target, ...] = Field(
        default=(), description="a list of targets; none means that nobody is told"
    )
    ui_url: str = Field(
        default="http://127.0.0.1:3000", description="the root of the Dagster UI, for links to runs"
    )
    docs_url: str = Field(
        default="", description="where docs/ lies for your readers; empty gives paths"
    )
    minimum_severity: Literal["warning", "error"] = Field(
        default="warning", description="warning or error: what is told at least"
    )
    repeat_after_hours: float = Field(
        default=24, gt=0, description="hours after which a failure that stays is told again"
    )
    interval_seconds: int = Field(
        default=30, ge=5, description="seconds between two looks for failures"
    )

    @field_validator("ui_url", "docs_url")
    @classmethod
    def _has_no_slash_at_its_end(cls, value: str) -> str:
        return value.rstrip("/")

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        mistakes = Mistakes()
        names: Counter[str] = Counter()
        for position, target in enumerate(self.targets):
            names[target.name] += 1
            if names[target.name] > 1:
                mistakes.add(
                    ("targets", position, "name"), "names another target too; write another name"
                )
        mistakes.raise_if_any()
        return self
