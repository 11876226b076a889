"""Lets ``python -m emarsys_pipeline`` stand for the ``emarsys-pipeline`` command."""

from emarsys_pipeline.cli import main

main()
