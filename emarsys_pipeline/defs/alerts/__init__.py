"""Finds in Dagster's event log what people must be told."""
