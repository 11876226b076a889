"""Tests of emarsys_pipeline; the folders mirror the package."""
