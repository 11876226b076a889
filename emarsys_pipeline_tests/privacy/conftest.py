"""An instance to run jobs in."""

from emarsys_pipeline_tests.defs.conftest import instance

__all__ = ["instance"]
