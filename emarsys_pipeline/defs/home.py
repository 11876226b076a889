"""The Dagster home: where runs, schedules and logs are kept."""

from importlib import resources
from pathlib import Path

import dagster as dg

INSTANCE_FILE = "dagster.yaml"


def prepare_home(home: Path) -> Path:
    """Make the folder, put ``dagster.yaml`` into it and create its databases.

    The databases are made here, once: several processes that make the same SQLite files at the
    same time get in each other's way. A ``dagster.yaml`` that is there already is kept.

    Returns:
        The folder as an absolute path, as DAGSTER_HOME must be.
    """
    home = home.resolve()
    home.mkdir(parents=True, exist_ok=True)
    instance_file = home / INSTANCE_FILE
    if not instance_file.exists():
        instance_file.write_text(_instance_settings(), encoding="utf-8")
    with dg.DagsterInstance.from_config(str(home)) as instance:
        instance.get_runs(limit=1)
    return home


def _instance_settings() -> str:
    """The project's dagster.yaml: from the installed package, else from the checkout."""
    package = resources.files("emarsys_pipeline")
    packaged = package.joinpath(INSTANCE_FILE)
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    with resources.as_file(package) as folder:
        return (folder.parent / INSTANCE_FILE).read_text(encoding="utf-8")
