"""Fixtures and hooks that all folders of tests share."""

from pathlib import Path

import pytest

from emarsys_pipeline.warehouse import Warehouse
from emarsys_pipeline_tests.requirements import (
    pytest_collection_modifyitems,
    pytest_terminal_summary,
)

__all__ = ["pytest_collection_modifyitems", "pytest_terminal_summary", "warehouse"]


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    """An empty, migrated warehouse in a real file, which is not published by writing."""
    made = Warehouse(tmp_path / "warehouse", publish_interval_seconds=3600)
    made.migrate()
    return made
