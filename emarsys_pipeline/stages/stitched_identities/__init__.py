"""Identities: which contacts of both sides are one person."""

from emarsys_pipeline.stages.stitched_identities.stitch import (
    IdentitiesStitched,
    stitch_identities,
)

__all__ = ["IdentitiesStitched", "stitch_identities"]
