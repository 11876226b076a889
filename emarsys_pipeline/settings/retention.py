"""How long is kept what can be spared once it has done its work."""

from pydantic import Field

from emarsys_pipeline.settings.sections import Section


class RetentionSettings(Section):
    """How many days to keep what can be spared; null keeps it. Decisions and outcomes stay."""

    cron: str = Field(
        default="15 4 * * *",
        pattern=r"^\S+ \S+ \S+ \S+ \S+$",
        description="when old data is removed, as a cron expression in UTC",
    )
    messages_days: int | None = Field(
        default=180, ge=1, description="days to keep messages about contacts and automation calls"
    )
    consent_messages_days: int | None = Field(
        default=None, ge=1, description="days to keep the wording of decisions, which is evidence"
    )
    unreadable_days: int | None = Field(
        default=90, ge=1, description="days to keep bodies that could not be read"
    )
    automation_payloads_days: int | None = Field(
        default=180, ge=1, description="days to keep what automation calls said of a person"
    )
    reply_texts_days: int | None = Field(
        default=365, ge=1, description="days to keep the texts of Emarsys's answers"
    )
    rejected_values_days: int | None = Field(
        default=365, ge=1, description="days to keep values that could not be converted"
    )
    downloads_days: int | None = Field(
        default=7, ge=1, description="days to keep downloads that a killed import left"
    )
