"""``emarsys-pipeline doctor``: whether the warehouse and the configured accounts are ready."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from emarsys_pipeline.cli.answers import tell_json, tell_table
from emarsys_pipeline.cli.options import AsJson, Config
from emarsys_pipeline.cli.terminal import working
from emarsys_pipeline.doctor import AccountReport, examine_account
from emarsys_pipeline.settings import load_settings
from emarsys_pipeline.storage import open_warehouse, rate_limits

Account = Annotated[
    str | None,
    typer.Option("--account", metavar="NAME", help="Only this account of the settings."),
]


def doctor(*, account: Account = None, config: Config = None, as_json: AsJson = False) -> None:
    """Say whether each account is ready, and what to do where it is not.

    Looks at sign-in, clock, rate limit, permissions, segments and the field mapping. Never writes
    to Emarsys: permissions to write are not probed. Exit code 1 when there is an error; warnings
    alone, among them the days left of WSSE, leave it at 0. A lake that cannot be used is an error
    before all others.

    Example: **emarsys-pipeline doctor --json**
    """
    settings = load_settings(config)
    accounts = settings.accounts if account is None else (settings.account(account),)
    with working("looking at the warehouse"):
        open_warehouse(settings).examine()
    reports = []
    for each in accounts:
        with working(f"examining the account {each.name}"):
            report = examine_account(
                each,
                rate_limit=rate_limits(settings),
                max_contacts_per_segment=settings.imports.max_contacts_per_segment,
                property_types=settings.property_types,
                today=datetime.now(UTC).date(),
            )
        reports.append(report)
    if as_json:
        tell_json([report.as_dict() for report in reports])
    else:
        for report in reports:
            _tell(report)
    if not all(report.is_ready for report in reports):
        raise typer.Exit(1)


def _tell(report: AccountReport) -> None:
    warnings = len(report.problems) - len(report.errors)
    state = "ready" if report.is_ready else "not ready"
    tell_table(
        f"{report.account}: {state} (errors: {len(report.errors)}, warnings: {warnings})",
        ["what", "found"],
        [
            ["address", report.base_url],
            ["sign-in", f"{report.auth}, {'accepted' if report.is_signed_in else 'failed'}"],
            ["days left of WSSE", report.wsse_days_left],
            ["clock", _skew(report.clock_skew_seconds)],
            ["requests left this minute", _headroom(report)],
        ],
    )
    if report.permissions:
        tell_table(
            "permissions of the API user",
            ["permission", "state", "lost without it"],
            [[p.permission.name, p.state, p.permission.lost] for p in report.permissions],
        )
    if report.segments:
        tell_table(
            "segments in the settings",
            ["id", "name", "contacts", "limit", "over it"],
            [[s.segment_id, s.name, s.contacts, s.limit, s.is_over_limit] for s in report.segments],
        )
    if report.problems:
        tell_table(
            "to put right",
            ["severity", "about", "found", "what to do"],
            [[p.severity, p.about, p.message, p.remedy] for p in report.problems],
        )


def _skew(seconds: float | None) -> str:
    if seconds is None:
        return "not known"
    return f"{abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} Emarsys's"


def _headroom(report: AccountReport) -> str:
    if report.rate_limit is None or report.rate_remaining is None:
        return "not known"
    return f"{report.rate_remaining:,} of {report.rate_limit:,}"
