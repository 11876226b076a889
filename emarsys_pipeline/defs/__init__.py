"""What Dagster sees: assets, checks, partitions, schedules, sensors, automation, resources.

Only definitions live here; the work itself is in ``stages`` and needs no Dagster.
``build.build_definitions`` puts everything together for one settings file.
"""
