"""Lists the segments of an account, and imports one in full when somebody asks for it."""

from typing import Annotated

import typer

from emarsys_pipeline.cli.accounts import Account, account_client
from emarsys_pipeline.cli.answers import tell_json, tell_line, tell_table
from emarsys_pipeline.cli.options import AsJson, Config
from emarsys_pipeline.cli.reconciliation import COUNTED, chosen_segment, reconcile_segment
from emarsys_pipeline.cli.terminal import bars
from emarsys_pipeline.clock import utc_now
from emarsys_pipeline.emarsys import EmarsysClient, Segment
from emarsys_pipeline.emarsys.errors import EmarsysError, PermissionMissingError
from emarsys_pipeline.settings import SettingsError, load_settings
from emarsys_pipeline.stages.raw_segment_exports import resolve_segments

segments_app = typer.Typer(
    invoke_without_command=True,
    help=(
        "List plain and combined segments with their ids, names and numbers of members.\n\n"
        "Their ids or names go into the settings."
    ),
)

CountsOption = Annotated[
    bool,
    typer.Option(
        "--counts/--no-counts",
        help="Whether members are counted: one request or more for each segment.",
    ),
]


@segments_app.callback()
def segments(
    context: typer.Context,
    *,
    account: Account = None,
    config: Config = None,
    counts: CountsOption = True,
    as_json: AsJson = False,
) -> None:
    """List plain and combined segments with their ids, names and numbers of members."""
    if context.invoked_subcommand is not None:
        return
    notes: list[str] = []
    with account_client(config, account, is_quiet=counts) as (client, chosen):
        found = list_all_segments(client, notes)
        members: dict[str, int | None] = dict.fromkeys(segment.id for segment in found)
        if counts:
            members = _count_all(client, found, notes)
    if as_json:
        tell_json(
            [
                {"id": item.id, "name": item.name, "type": item.type, "count": members[item.id]}
                for item in found
            ]
        )
        return
    tell_table(
        f"{len(found)} segments of {chosen.name}",
        ["id", "name", "type", "contacts"],
        [[item.id, item.name, item.type, members[item.id]] for item in found],
    )
    for note in notes:
        tell_line(note)


@segments_app.command()
def reconcile(
    segment: Annotated[
        str, typer.Argument(metavar="SEGMENT", help="A segment of the settings, by id or name.")
    ],
    *,
    account: Account = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Import a segment's newest window again, every member of it, and replace what had landed.

    For when something looks wrong, and after an import inside Emarsys, which Emarsys does not
    report as changes. By itself it happens every *imports.reconcile_every_days* days. The run is
    recorded in Dagster; the later stages follow by themselves while Dagster runs. The same in the
    UI: launch the job *segment_reconciliation*.

    Exit code 1 if the segment was not taken; what had landed is kept then.

    Example: **emarsys-pipeline segments reconcile "VIP customers"**
    """
    settings = load_settings(config)
    chosen = settings.chosen_account(account)
    window = settings.windows.grid.newest_closed(utc_now())
    if window is None:
        raise SettingsError(
            f"the first window starts at {settings.windows.start:%Y-%m-%d %H:%MZ} and has not "
            "ended: nothing can be imported before"
        )
    with account_client(config, account) as (client, _):
        segment_id = chosen_segment(resolve_segments(client, chosen), segment, chosen.name)
    reconciled = reconcile_segment(settings, chosen.name, segment_id, window)
    if as_json:
        tell_json(reconciled)
    else:
        tell_table(
            f"segment {segment_id} of {chosen.name} in window {window.key}",
            ["what", "contacts"],
            [[name.replace("_", " "), reconciled[name]] for name in COUNTED],
        )


def list_all_segments(client: EmarsysClient, notes: list[str]) -> list[Segment]:
    """Plain and combined segments, each once, by id; a missing permission becomes a note.

    Raises:
        PermissionMissingError: neither kind may be listed.
    """
    segments: dict[str, Segment] = {}
    refused: list[PermissionMissingError] = []
    for list_kind in (client.list_segments, client.list_combined_segments):
        try:
            segments.update({segment.id: segment for segment in list_kind()})
        except PermissionMissingError as error:
            refused.append(error)
    if len(refused) > 1:
        raise refused[0]
    notes.extend(str(error) for error in refused)
    return sorted(segments.values(), key=lambda segment: int(segment.id))


def _count_all(
    client: EmarsysClient, segments: list[Segment], notes: list[str]
) -> dict[str, int | None]:
    """Members by segment id; Emarsys evaluates one segment at a time, so this may take minutes."""
    members: dict[str, int | None] = {}
    with bars() as progress:
        for segment in segments:
            progress("segments counted", len(members), len(segments))
            members[segment.id] = _count(client, segment.id, notes)
    return members


def _count(client: EmarsysClient, segment_id: str, notes: list[str]) -> int | None:
    """The number of members; None, with a note, when Emarsys does not tell."""
    try:
        return client.count_segment(segment_id)
    except EmarsysError as error:
        notes.append(f"segment {segment_id} was not counted: {error}")
        return None
