"""Fixtures that all folders of tests share."""

from pathlib import Path

import pytest

from emarsys_pipeline.warehouse import Warehouse


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    """An empty, migrated warehouse in a real file."""
    made = Warehouse(tmp_path / "warehouse", publish_interval_seconds=0)
    made.migrate()
    return made
