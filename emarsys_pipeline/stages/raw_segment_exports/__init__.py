"""Raw rows: what Emarsys delivered for a segment in a window, as Emarsys wrote it."""

from emarsys_pipeline.stages.raw_segment_exports.account_import import import_account
from emarsys_pipeline.stages.raw_segment_exports.errors import (
    MiscountedError,
    PastWindowError,
    SegmentImportError,
    SuspiciousDeliveryError,
    TooManyContactsError,
    UnknownFieldError,
    UnknownSegmentError,
    WrongDeliveryError,
)
from emarsys_pipeline.stages.raw_segment_exports.landing import SegmentImported
from emarsys_pipeline.stages.raw_segment_exports.segments import resolve_segments

__all__ = [
    "MiscountedError",
    "PastWindowError",
    "SegmentImportError",
    "SegmentImported",
    "SuspiciousDeliveryError",
    "TooManyContactsError",
    "UnknownFieldError",
    "UnknownSegmentError",
    "WrongDeliveryError",
    "import_account",
    "resolve_segments",
]
