"""A full import of one segment, now, as a run that Dagster records."""

from collections.abc import Mapping
from typing import Any

import typer

from emarsys_pipeline.cli.terminal import bars, errors
from emarsys_pipeline.settings import Settings, SettingsError
from emarsys_pipeline.storage import open_warehouse
from emarsys_pipeline.warehouse import load_sql
from emarsys_pipeline.windows import Window

COUNTED = ("members", "new", "changed", "left")


def chosen_segment(segments: Mapping[str, str], wanted: str, account: str) -> str:
    """The id of the configured segment that has this id or name.

    Args:
        segments: the names of the configured segments by their ids.
        wanted: an id or a name.
        account: the account's name.

    Raises:
        SettingsError: the settings have no such segment.
    """
    if wanted in segments:
        return wanted
    for segment_id, name in segments.items():
        if name == wanted:
            return segment_id
    known = ", ".join(f"{segment_id} ({name})" for segment_id, name in segments.items())
    raise SettingsError(
        f'the settings of account {account} have no segment "{wanted}", they have {known}: add it '
        "to the settings file, and Dagster imports it in full by itself"
    )


def reconcile_segment(
    settings: Settings, account: str, segment_id: str, window: Window
) -> dict[str, Any]:
    """Import a segment in full; gives what its window holds since, as JSON would tell it."""
    # Dagster takes seconds to import, and --help should not.
    from emarsys_pipeline.defs.home import prepare_home
    from emarsys_pipeline.defs.in_process import RunFailedError, in_process_runs
    from emarsys_pipeline.defs.progress import listening

    with bars() as progress, listening(progress):
        home = prepare_home(settings.dagster_home)
        try:
            with in_process_runs(settings, home) as runs:
                runs.import_window({account: [segment_id]}, window, in_full=True)
        except RunFailedError as error:
            errors.print(f"[red]error:[/red] {error}", markup=True, soft_wrap=True)
            raise typer.Exit(1) from error
    warehouse = open_warehouse(settings)
    warehouse.publish_pending(at_once=True)
    with warehouse.read() as connection:
        ((mode, *counted),) = connection.execute(
            load_sql(__package__, "reconciled_segment.sql"),
            {"account": account, "segment_id": segment_id, "window_start": window.start},
        ).fetchall()
    return {
        "account": account,
        "segment_id": segment_id,
        "window": window.key,
        "mode": mode,
        **dict(zip(COUNTED, counted, strict=True)),
    }
