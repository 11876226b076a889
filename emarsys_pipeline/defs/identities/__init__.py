"""stitched_identities: which contacts of both sides are one person."""
