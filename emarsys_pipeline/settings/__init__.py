"""The one validated settings file: everything that a deployment may choose.

The only package that reads the environment: for the path of the file (``EMARSYS_PIPELINE_CONFIG``)
and, at the moment of use, for the secrets that the file refers to by name.
"""

from emarsys_pipeline.settings.accounts import (
    AccountSettings,
    FieldMapping,
    OAuth2Connection,
    OptInSettings,
    SegmentReference,
    WsseConnection,
)
from emarsys_pipeline.settings.alerts import AlertSettings, EmailTarget, Target, WebhookTarget
from emarsys_pipeline.settings.environment import child_environment, provide
from emarsys_pipeline.settings.example import example_settings
from emarsys_pipeline.settings.lake import LakeSettings, LakeStoreSettings, MaintenanceSettings
from emarsys_pipeline.settings.loading import CONFIG_VARIABLE, load_settings
from emarsys_pipeline.settings.messaging import (
    HandOverSettings,
    MessagingHttpSettings,
    MessagingSettings,
)
from emarsys_pipeline.settings.model import (
    ImportSettings,
    PublishSettings,
    PushSettings,
    Settings,
    WebhookSettings,
    WindowSettings,
)
from emarsys_pipeline.settings.retention import RetentionSettings
from emarsys_pipeline.settings.secret import SecretReference, SettingsError
from emarsys_pipeline.settings.stitching import (
    GoldenRecordSettings,
    PropertyRule,
    StitchingSettings,
)

__all__ = [
    "CONFIG_VARIABLE",
    "AccountSettings",
    "AlertSettings",
    "EmailTarget",
    "FieldMapping",
    "GoldenRecordSettings",
    "HandOverSettings",
    "ImportSettings",
    "LakeSettings",
    "LakeStoreSettings",
    "MaintenanceSettings",
    "MessagingHttpSettings",
    "MessagingSettings",
    "OAuth2Connection",
    "OptInSettings",
    "PropertyRule",
    "PublishSettings",
    "PushSettings",
    "RetentionSettings",
    "SecretReference",
    "SegmentReference",
    "Settings",
    "SettingsError",
    "StitchingSettings",
    "Target",
    "WebhookSettings",
    "WebhookTarget",
    "WindowSettings",
    "WsseConnection",
    "child_environment",
    "example_settings",
    "load_settings",
    "provide",
]
