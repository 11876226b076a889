"""``emarsys-pipeline plan``: what the next import would do, before it does."""

from typing import Annotated

import typer

from emarsys_pipeline.cli.accounts import AT_A_TERMINAL
from emarsys_pipeline.cli.answers import tell_json, tell_line, tell_table
from emarsys_pipeline.cli.options import AsJson, Config
from emarsys_pipeline.cli.terminal import bars
from emarsys_pipeline.connect import connect
from emarsys_pipeline.settings import load_settings
from emarsys_pipeline.stages.raw_segment_exports.planning import AccountForecast, forecast_account
from emarsys_pipeline.storage import open_warehouse, rate_limits

Account = Annotated[
    str | None,
    typer.Option("--account", metavar="NAME", help="Only this account of the settings."),
]
COLUMNS = (
    *("id", "name", "window", "import", "contacts", "stored", "new", "left", "API calls"),
    *("minutes", "rows"),
)


def plan(*, account: Account = None, config: Config = None, as_json: AsJson = False) -> None:
    """Say what the next import would do and cost, without doing it.

    Per segment: whether it is imported in full or by changes, its contacts now, who is new and who
    has left against what is stored, and the requests, minutes and rows to expect. Emarsys is only
    asked for fields, counts and member lists; no export is started, and nothing is written here.
    What changed within contacts is not known before the import: those rows are taken from the last
    one. Minutes are guessed until a segment has been imported once.

    Exit code 1 if something would be refused; the remedy is told.

    Example: **emarsys-pipeline plan --json**
    """
    settings = load_settings(config)
    accounts = settings.accounts if account is None else (settings.account(account),)
    warehouse = open_warehouse(settings)
    forecasts = []
    with bars() as progress:
        for each in accounts:
            with connect(each, rate_limit=rate_limits(settings), retries=AT_A_TERMINAL) as client:
                forecasts.append(
                    forecast_account(
                        warehouse,
                        client,
                        each,
                        settings.windows.grid,
                        imports=settings.imports,
                        progress=progress,
                    )
                )
    if as_json:
        tell_json([forecast.as_dict() for forecast in forecasts])
    else:
        for forecast in forecasts:
            _tell(forecast)
    if any(forecast.has_problem for forecast in forecasts):
        raise typer.Exit(1)


def _tell(forecast: AccountForecast) -> None:
    if forecast.problem is not None:
        tell_line(f"{forecast.account}: nothing would be imported. {forecast.problem}")
        return
    looked_up = [field.property for field in forecast.fields if field.fetched_by == "getdata"]
    tell_table(
        f"{forecast.account}: {forecast.api_calls:,} API calls, {forecast.shared_api_calls} of "
        f"them shared; {len(forecast.fields)} of at most 20 fields",
        COLUMNS,
        [
            [
                *(segment.segment_id, segment.name, segment.window, segment.mode),
                *(segment.contacts, segment.stored, segment.new, segment.left),
                *(segment.api_calls, f"{segment.minutes:g}", segment.rows),
            ]
            for segment in forecast.segments
        ],
    )
    for segment in forecast.segments:
        tell_line(f"{segment.segment_id}: {segment.problem or f'{segment.mode}, {segment.reason}'}")
    if looked_up:
        tell_line(f"read by getdata, as an export cannot hold them: {', '.join(looked_up)}")
    for field in forecast.fields:
        if field.is_new:
            tell_line(
                f"no stored contact has a value of {field.property}; if it was mapped since the "
                "last full import, emarsys-pipeline segments reconcile brings all values at once"
            )
