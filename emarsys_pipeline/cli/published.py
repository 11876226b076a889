"""The warehouse of commands that read the analysts' copy."""

import typer

from emarsys_pipeline.cli.terminal import errors
from emarsys_pipeline.settings import Settings
from emarsys_pipeline.storage import open_warehouse
from emarsys_pipeline.warehouse import Warehouse


def published_warehouse(settings: Settings) -> Warehouse:
    """The warehouse of these settings; ends the command with a message while there is no copy."""
    warehouse = open_warehouse(settings)
    if not warehouse.is_published:
        errors.print(
            f"[red]error:[/red] {warehouse.published_name} does not exist yet: nothing has been "
            "imported; start with emarsys-pipeline ui, or try emarsys-pipeline demo",
            soft_wrap=True,
        )
        raise typer.Exit(1)
    return warehouse
