"""The ``emarsys-pipeline`` command: one file for each group of commands."""

from emarsys_pipeline.cli.app import main

__all__ = ["main"]
