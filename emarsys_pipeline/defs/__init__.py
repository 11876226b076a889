"""What Dagster sees: assets, checks, partitions, schedules, sensors, automation, resources.

Only definitions live here; the work itself is in ``stages`` and needs no Dagster.
``build.build_definitions`` puts everything together for one settings file.
"""

import warnings

import dagster as dg

# Backfill policies, partition mappings between dimensions and checks with their own automation
# are marked beta or preview by Dagster; nothing a user of this pipeline could act on.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
warnings.filterwarnings("ignore", category=dg.PreviewWarning)
