"""What Dagster loads: the definitions for the settings file of this deployment."""

import dagster as dg

from emarsys_pipeline.defs.build import build_definitions
from emarsys_pipeline.settings import load_settings


@dg.definitions
def defs() -> dg.Definitions:
    """Build the definitions from ``EMARSYS_PIPELINE_CONFIG``, or the defaults without it."""
    return build_definitions(load_settings())
