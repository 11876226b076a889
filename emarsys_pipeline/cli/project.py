"""``emarsys-pipeline init``: writes the settings of a deployment."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from emarsys_pipeline.cli.terminal import console, errors
from emarsys_pipeline.clock import utc_now
from emarsys_pipeline.settings import example_settings


def init(
    *,
    path: Annotated[Path, typer.Argument(help="The file to write.")] = Path(
        "emarsys_pipeline.yaml"
    ),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
) -> None:
    """Write a commented settings file; as it stands, it uses the sandbox.

    Its windows start yesterday, so that one has ended and the first import begins at once.

    Next: put your account, segments and fields into it, export the variables that it names, and
    run **emarsys-pipeline doctor**.

    Example: **emarsys-pipeline init shop.yaml**
    """
    if path.exists() and not force:
        errors.print(f"[red]error:[/red] {path} exists already; edit it, or give --force")
        raise typer.Exit(1)
    today = utc_now().replace(hour=0, minute=0, second=0, microsecond=0)
    path.write_text(example_settings(today - timedelta(days=1)), encoding="utf-8")
    console.print(f"wrote {path}")
