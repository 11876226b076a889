"""The whole of the settings, and its sections other than the accounts."""

import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, AwareDatetime, Field, field_validator, model_validator

from emarsys_pipeline.settings.accounts import AccountSettings
from emarsys_pipeline.settings.alerts import AlertSettings
from emarsys_pipeline.settings.lake import LakeSettings, MaintenanceSettings
from emarsys_pipeline.settings.messaging import MessagingSettings
from emarsys_pipeline.settings.retention import RetentionSettings
from emarsys_pipeline.settings.secret import SecretReference, SettingsError
from emarsys_pipeline.settings.sections import Mistakes, Section
from emarsys_pipeline.settings.stitching import StitchingSettings
from emarsys_pipeline.windows import WindowGrid, is_window_length

# The limits that Emarsys itself sets; both may only be lowered.
MAX_CONTACTS_PER_SEGMENT = 500_000
MAX_CONTACTS_PER_REQUEST = 1000

PropertyType = Literal["varchar", "double", "date", "boolean", "bigint", "varchar[]"]
DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def _window_length(minutes: int) -> int:
    if not is_window_length(minutes):
        raise ValueError(
            "neither divides an hour nor is whole hours that divide a day; write for example 60, "
            "360, 720 or 1440"
        )
    return minutes


class WindowSettings(Section):
    """The windows that partition the data: equal spans of UTC time."""

    start: AwareDatetime = Field(
        description="the first window's start in UTC, for example 2026-01-01T00:00:00Z"
    )
    length_minutes: Annotated[int, AfterValidator(_window_length)] = Field(
        default=720, description="the length of a window in minutes, for example 720"
    )
    delay_minutes: int = Field(
        default=5, ge=0, description="how many minutes after a window's end its import starts"
    )

    @field_validator("start", mode="before")
    @classmethod
    def _date_is_midnight(cls, value: Any) -> Any:
        # Windows are in UTC, so a date alone leaves nothing to guess.
        if isinstance(value, str) and DATE.fullmatch(value):
            return f"{value}T00:00:00Z"
        return value

    @field_validator("start")
    @classmethod
    def _standard_utc(cls, value: datetime) -> datetime:
        # Pydantic's own zone object is equal to UTC but not the same.
        return value if value.utcoffset() else value.astimezone(UTC)

    @model_validator(mode="after")
    def _forms_a_grid(self) -> Self:
        mistakes = Mistakes()
        if self.delay_minutes >= self.length_minutes:
            mistakes.add(
                ("delay_minutes",),
                f"is no shorter than a window of {self.length_minutes} minutes; write less",
            )
        elif self.length_minutes > 60 <= self.delay_minutes:
            mistakes.add(
                ("delay_minutes",), "is an hour or more, which cron cannot express; write up to 59"
            )
        try:
            _ = self.grid
        except ValueError as error:
            mistakes.add(("start",), f"cannot be used: {error}; write for example midnight UTC")
        mistakes.raise_if_any()
        return self

    @property
    def grid(self) -> WindowGrid:
        """All windows from the start on."""
        return WindowGrid(self.start, self.length_minutes)


class ImportSettings(Section):
    """How segments are imported."""

    reconcile_every_days: int = Field(
        default=7, ge=1, description="days between two full exports of a segment"
    )
    shrink_tolerance: float = Field(
        default=0.5, ge=0, le=1, description="a share from 0 to 1: an import below it stops"
    )
    count_tolerance: float = Field(
        default=0.005, ge=0, le=1, description="a share from 0 to 1 by which counts may differ"
    )
    max_unreadable_phone_share: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="a share from 0 to 1: a check warns when more phone numbers are not valid",
    )
    max_contacts_per_segment: int = Field(
        default=MAX_CONTACTS_PER_SEGMENT,
        ge=1,
        le=MAX_CONTACTS_PER_SEGMENT,
        description="the largest segment that is imported, at most 500000",
    )
    keep_raw_windows: int = Field(
        default=60,
        ge=0,
        description="a number of windows: so many of a segment keep their raw rows; 0 keeps all",
    )
    export_poll_seconds: float = Field(
        default=2.0, gt=0, description="seconds between two questions for an export's state"
    )
    export_deadline_seconds: float = Field(
        default=7200, gt=0, description="seconds after which an export is given up"
    )
    runs_per: Literal["window", "account"] = Field(
        default="window",
        description=(
            "window or account: whether one scheduled run imports all accounts, which costs least, "
            "or each has its own, which several workers share"
        ),
    )
    catalogue_interval_seconds: int = Field(
        default=60, ge=1, description="seconds between two looks for newly configured segments"
    )


class PushSettings(Section):
    """How opt-ins are written to Emarsys."""

    sensor_interval_seconds: int = Field(
        default=30, ge=1, description="seconds between two looks for consent to push"
    )
    batch_size: int = Field(
        default=MAX_CONTACTS_PER_REQUEST,
        ge=1,
        le=MAX_CONTACTS_PER_REQUEST,
        description="contacts in one request, at most 1000",
    )
    settle_after_seconds: float = Field(
        default=60, ge=0, description="seconds before a push without answer is read back"
    )
    max_attempts: int = Field(
        default=8, ge=1, description="attempts before a push becomes a dead letter"
    )
    retry_base_seconds: float = Field(
        default=30, gt=0, description="seconds before the first repetition; doubled each time"
    )


class ReconciliationSettings(Section):
    """How often, and how much, Emarsys is compared with the ledger."""

    cron: str = Field(
        default="30 3 * * *",
        pattern=r"^\S+ \S+ \S+ \S+ \S+$",
        description="when to read opt-ins back, as a cron expression in UTC",
    )
    sample: int = Field(
        default=10_000, ge=0, description="contacts to read back each time; 0 for all"
    )


class WebhookSettings(Section):
    """The webhook service; an endpoint without secret refuses every call."""

    host: str = Field(default="127.0.0.1", description="the address to listen on")
    port: int = Field(default=8026, ge=0, le=65535, description="the port to listen on")
    platform_secret: SecretReference | None = Field(
        default=None, description="${NAME} of the variable with the messaging platform's secret"
    )
    emarsys_secret: SecretReference | None = Field(
        default=None, description="${NAME} of the variable with the secret of Emarsys's calls"
    )
    emarsys_legacy_secret: SecretReference | None = Field(
        default=None,
        description="${NAME} of the variable with the secret in the address of legacy nodes",
    )
    platform_auth: Literal["jwt", "hmac", "header"] = Field(
        default="hmac", description="jwt, hmac or header"
    )
    emarsys_auth: Literal["jwt", "hmac", "header"] = Field(
        default="jwt", description="jwt, hmac or header"
    )
    max_body_bytes: int = Field(
        default=1_000_000, ge=1, description="the largest body that is taken, in bytes"
    )
    rate_per_second: float = Field(
        default=5000.0, gt=0, description="requests a second that are taken before 429"
    )


class PublishSettings(Section):
    """How often analysts get a new copy."""

    min_interval_seconds: float = Field(
        default=30, ge=0, description="seconds between two copies for analysts"
    )


class Settings(Section):
    """Everything that a deployment may choose."""

    path: Path | None = Field(default=None, description="set by the program")
    home: Path = Field(
        default=Path(".emarsys_pipeline"), description="the folder of all stored data"
    )
    windows: WindowSettings = Field(description="a mapping with at least start")
    accounts: tuple[AccountSettings, ...] = Field(
        min_length=1, description="a list of Emarsys accounts"
    )
    imports: ImportSettings = Field(default=ImportSettings(), description="a mapping")
    pushes: PushSettings = Field(default=PushSettings(), description="a mapping")
    reconciliation: ReconciliationSettings = Field(
        default=ReconciliationSettings(), description="a mapping"
    )
    stitching: StitchingSettings = Field(default=StitchingSettings(), description="a mapping")
    webhooks: WebhookSettings = Field(default=WebhookSettings(), description="a mapping")
    messaging: MessagingSettings = Field(default=MessagingSettings(), description="a mapping")
    publish: PublishSettings = Field(default=PublishSettings(), description="a mapping")
    retention: RetentionSettings = Field(default=RetentionSettings(), description="a mapping")
    alerts: AlertSettings = Field(default=AlertSettings(), description="a mapping")
    lake: LakeSettings | None = Field(
        default=None, description="a mapping with at least catalog and data_path"
    )
    maintenance: MaintenanceSettings = Field(default=MaintenanceSettings(), description="a mapping")
    properties: dict[str, PropertyType] = Field(
        default={}, description="a mapping of properties to types, for example birth_date: date"
    )

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        mistakes = Mistakes()
        names: Counter[str] = Counter()
        for position, account in enumerate(self.accounts):
            names[account.name] += 1
            if names[account.name] > 1:
                mistakes.add(
                    ("accounts", position, "name"), "names another account too; write another name"
                )
        mapped = self._mapped_properties()
        for name in self.properties:
            if name not in mapped:
                mistakes.add(
                    ("properties", name),
                    f"is a property that no account maps; write one of {', '.join(mapped)}",
                )
        for place, text in self.stitching.golden_records.unknown_names(names, mapped):
            mistakes.add(("stitching", "golden_records", *place), text)
        mistakes.raise_if_any()
        return self

    def _mapped_properties(self) -> list[str]:
        return sorted({item.property for account in self.accounts for item in account.fields})

    @property
    def property_types(self) -> dict[str, str]:
        """The DuckDB type of each property that some account maps, sorted by name."""
        return {name: self.properties.get(name, "varchar") for name in self._mapped_properties()}

    def account(self, name: str) -> AccountSettings:
        """The account of this name.

        Raises:
            SettingsError: there is none.
        """
        for account in self.accounts:
            if account.name == name:
                return account
        known = ", ".join(account.name for account in self.accounts)
        raise SettingsError(f"there is no account {name} in the settings; there are: {known}")

    def chosen_account(self, name: str | None) -> AccountSettings:
        """The account of this name, or the only one.

        Raises:
            SettingsError: there is none, or no name was given and there are several.
        """
        if name is not None:
            return self.account(name)
        if len(self.accounts) == 1:
            return self.accounts[0]
        known = ", ".join(account.name for account in self.accounts)
        raise SettingsError(f"the settings have several accounts; choose one of: {known}")

    @property
    def warehouse_directory(self) -> Path:
        """The folder of the warehouse and of the analysts' copy."""
        return self.home

    @property
    def inbox_path(self) -> Path:
        """The database of received messages."""
        return self.home / "inbox.sqlite"

    @property
    def alerts_path(self) -> Path:
        """The database of what was and must be told."""
        return self.home / "alerts.sqlite"

    @property
    def rate_limit_path(self) -> Path:
        """The database in which processes share each account's rate limit."""
        return self.home / "rate_limits.sqlite"

    @property
    def downloads(self) -> Path:
        """The folder of exports being downloaded."""
        return self.home / "downloads"

    @property
    def dagster_home(self) -> Path:
        """The folder of Dagster's own storage."""
        return self.home / "dagster"
