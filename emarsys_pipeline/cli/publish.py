"""``emarsys-pipeline publish``: what analysts see, as one file."""

from pathlib import Path
from typing import Annotated

import typer

from emarsys_pipeline.cli.answers import tell_json, tell_line
from emarsys_pipeline.cli.options import AsJson, Config
from emarsys_pipeline.cli.published import published_warehouse
from emarsys_pipeline.cli.terminal import working
from emarsys_pipeline.settings import load_settings


def publish(
    *,
    path: Annotated[
        Path, typer.Option("--to", metavar="FILE", dir_okay=False, help="Is replaced in one step.")
    ],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Write what analysts see into one DuckDB file.

    On one machine that file is there already: *analytics.duckdb* in the home. A lake has none, and
    this writes its newest state; runs go on meanwhile.

    Example: **emarsys-pipeline publish --to analytics.duckdb**
    """
    warehouse = published_warehouse(load_settings(config))
    path.parent.mkdir(parents=True, exist_ok=True)
    with working("writing the views"):
        warehouse.write_copy(path)
    if as_json:
        tell_json({"file": str(path), "bytes": path.stat().st_size})
        return
    tell_line(f"{path}: {path.stat().st_size:,} bytes")
