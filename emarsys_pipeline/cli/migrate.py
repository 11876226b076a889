"""``emarsys-pipeline migrate``: the deploy step of what is stored, and the move into a lake."""

from enum import Enum
from typing import Annotated

import typer

from emarsys_pipeline import storage
from emarsys_pipeline.cli.answers import tell_json, tell_line, tell_table
from emarsys_pipeline.cli.options import AsJson, Config
from emarsys_pipeline.cli.terminal import errors, working
from emarsys_pipeline.settings import Settings, load_settings


class Target(Enum):
    """Where what is stored can be moved to."""

    LAKE = "lake"


def migrate(
    *,
    to: Annotated[
        Target | None,
        typer.Option(
            help="Also copy warehouse and inbox of the home into the settings' lake, and compare "
            "rows and hashes of every table before anything is committed. The files stay."
        ),
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Make or update the tables of everything that is stored; again, it does nothing.

    One machine does it by itself. Several machines that share a lake need it once before their
    first start and once with each new version: it makes the catalogue, the inbox and the tables of
    rate limits in PostgreSQL, which workers never do.

    To move from one machine to a lake: stop everything, add the section **lake** to the settings,
    run it with **--to lake**, and start with the new settings. A second run only compares.

    Examples: **emarsys-pipeline migrate --config shop.yaml**

    **emarsys-pipeline migrate --to lake --config shop.yaml**
    """
    settings = load_settings(config)
    if to is Target.LAKE:
        _move(settings, as_json=as_json)
        return
    with working("bringing what is stored up to date"):
        storage.deploy(settings)
    stored = storage.open_warehouse(settings).published_name
    if as_json:
        tell_json({"stored": stored})
        return
    tell_line(f"up to date: {stored}")


def _move(settings: Settings, *, as_json: bool) -> None:
    moved = storage.move_into_lake(settings, tell=lambda name: errors.print(f"copying {name}"))
    stored = storage.open_warehouse(settings).published_name
    if as_json:
        tell_json(
            {
                "stored": stored,
                "is_new": moved.is_new,
                "warehouse": moved.warehouse,
                "inbox": moved.inbox,
            }
        )
        return
    both = {**moved.warehouse, **{f"inbox: {name}": rows for name, rows in moved.inbox.items()}}
    done = "moved" if moved.is_new else "had been moved before"
    tell_table(
        f"{done}, and equal on both sides by rows and hashes: {stored}",
        ["table", "rows"],
        [row for row in both.items() if row[1]],
    )
    tell_line(
        f"The files in {settings.home} stay as they are; nothing reads them while the settings "
        "have a lake."
    )
