"""Client of the SAP Emarsys core API: knows HTTP and Emarsys, and nothing of the pipeline."""

from emarsys_pipeline.emarsys import errors
from emarsys_pipeline.emarsys.auth import Credentials, OAuth2Credentials, WsseCredentials
from emarsys_pipeline.emarsys.client import EmarsysClient
from emarsys_pipeline.emarsys.contacts import write_batches
from emarsys_pipeline.emarsys.rate_limit import RateLimiter
from emarsys_pipeline.emarsys.rate_limit_stores import deploy_slots
from emarsys_pipeline.emarsys.records import (
    Choice,
    ContactError,
    ContactsFound,
    ContactsUpdated,
    DownloadedExport,
    ExportStatus,
    Field,
    Segment,
)
from emarsys_pipeline.emarsys.retries import RetrySettings

__all__ = [
    "Choice",
    "ContactError",
    "ContactsFound",
    "ContactsUpdated",
    "Credentials",
    "DownloadedExport",
    "EmarsysClient",
    "ExportStatus",
    "Field",
    "OAuth2Credentials",
    "RateLimiter",
    "RetrySettings",
    "Segment",
    "WsseCredentials",
    "deploy_slots",
    "errors",
    "write_batches",
]
