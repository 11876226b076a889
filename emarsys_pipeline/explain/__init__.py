"""Why a person is one person, and why Emarsys shows what it shows: the evidence, in order.

Reads the published copy only, so it never waits for a run.
"""

from emarsys_pipeline.explain.links import Link
from emarsys_pipeline.explain.path import HeldBack, Path, explain_path
from emarsys_pipeline.explain.person import (
    Decision,
    Delivery,
    Explanation,
    NotFoundError,
    Record,
    Step,
    explain,
)

__all__ = [
    "Decision",
    "Delivery",
    "Explanation",
    "HeldBack",
    "Link",
    "NotFoundError",
    "Path",
    "Record",
    "Step",
    "explain",
    "explain_path",
]
