"""Drills: real processes under faults, for as long as one likes; ``python -m ...drills.NAME``."""
