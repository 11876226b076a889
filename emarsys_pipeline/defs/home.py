"""The Dagster home: where runs, schedules and logs are kept."""

from importlib import resources
from pathlib import Path

import dagster as dg

INSTANCE_FILE = "dagster.yaml"
WORKSPACE_FILE = "workspace.yaml"


def prepare_home(home: Path) -> Path:
    """Make the folder, put the project's files into it and create its databases.

    The databases are made here, once: several processes that make the same SQLite files at the
    same time get in each other's way. A file that is there already is kept. Whatever serves the
    home must use its ``workspace.yaml``: by the name there Dagster knows which schedules and
    sensors are on.

    Returns:
        The folder as an absolute path, as DAGSTER_HOME must be.
    """
    home = home.resolve()
    home.mkdir(parents=True, exist_ok=True)
    for name in (INSTANCE_FILE, WORKSPACE_FILE):
        if not (home / name).exists():
            (home / name).write_text(_project_file(name), encoding="utf-8")
    with dg.DagsterInstance.from_config(str(home)) as instance:
        instance.get_runs(limit=1)
    return home


def _project_file(name: str) -> str:
    """A file of the project: from the installed package, else from the checkout."""
    package = resources.files("emarsys_pipeline")
    packaged = package.joinpath(name)
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    with resources.as_file(package) as folder:
        return (folder.parent / name).read_text(encoding="utf-8")
