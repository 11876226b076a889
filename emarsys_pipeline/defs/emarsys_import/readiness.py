"""account_ready: the examination of ``emarsys-pipeline doctor``, where imports are looked at."""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from emarsys_pipeline.defs.summaries import Metadata, markdown, named, table
from emarsys_pipeline.doctor import AccountReport, examine_account
from emarsys_pipeline.emarsys.auth import WSSE_ENDS_ON
from emarsys_pipeline.settings import Settings
from emarsys_pipeline.storage import rate_limits

ACCOUNT_READY = "account_ready"
CHECK = dg.AssetCheckKey(dg.AssetKey("raw_segment_exports"), ACCOUNT_READY)


def build_readiness_check(settings: Settings) -> dg.AssetChecksDefinition:
    """The check over all accounts of these settings."""

    @dg.asset_check(asset=CHECK.asset_key, name=ACCOUNT_READY, description=_description(settings))
    def account_ready(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        reports = [
            examine_account(
                account,
                rate_limit=rate_limits(settings),
                max_contacts_per_segment=settings.imports.max_contacts_per_segment,
                property_types=settings.property_types,
                today=datetime.now(UTC).date(),
            )
            for account in settings.accounts
        ]
        for report in reports:
            context.log.info(
                "account %s: %d problems, %d of them errors",
                report.account,
                len(report.problems),
                len(report.errors),
            )
        is_ready = all(report.is_ready for report in reports)
        return dg.AssetCheckResult(
            passed=not any(report.problems for report in reports),
            severity=dg.AssetCheckSeverity.WARN if is_ready else dg.AssetCheckSeverity.ERROR,
            description=_headline(reports),
            metadata=_metadata(reports),
        )

    return account_ready


def _description(settings: Settings) -> str:
    wsse = [account.name for account in settings.accounts if account.connection.auth == "wsse"]
    warning = (
        f" Signed in by WSSE, which Emarsys switches off on {WSSE_ENDS_ON}: {named(wsse)}."
        if wsse
        else ""
    )
    return (
        "Each account can be imported and pushed to: what emarsys-pipeline doctor finds out. Run "
        f"it with the job {ACCOUNT_READY}; warnings alone do not stop imports.{warning}"
    )


def _headline(reports: Sequence[AccountReport]) -> str:
    problems = [problem for report in reports for problem in report.problems]
    if not problems:
        return "Every account is ready."
    first = min(problems, key=lambda problem: problem.severity)
    more = f" {len(problems) - 1} more below." if problems[1:] else ""
    return f"{first.message}. {first.remedy}{more}"


def _metadata(reports: Sequence[AccountReport]) -> Metadata:
    problems = [
        [report.account, problem.severity, problem.about, problem.message, problem.remedy]
        for report in reports
        for problem in report.problems
    ]
    permissions = [
        [report.account, probe.permission.name, probe.state, probe.permission.lost]
        for report in reports
        for probe in report.permissions
    ]
    segments = [
        [
            report.account,
            segment.segment_id,
            segment.name,
            "not known" if segment.contacts is None else segment.contacts,
            "yes" if segment.is_over_limit else "no",
        ]
        for report in reports
        for segment in report.segments
    ]
    metadata: Metadata = {
        "problems": markdown(
            table(["account", "severity", "about", "found", "what to do"], problems)
            if problems
            else "None."
        ),
        "permissions": markdown(
            table(["account", "permission", "state", "lost without it"], permissions)
        ),
        "segments": markdown(
            table(["account", "segment", "name", "contacts", "over the limit"], segments)
        ),
    }
    for report in reports:
        if report.wsse_days_left is not None:
            metadata[f"wsse_days_left/{report.account}"] = report.wsse_days_left
        if report.clock_skew_seconds is not None:
            metadata[f"clock_skew_seconds/{report.account}"] = round(report.clock_skew_seconds)
        if report.rate_remaining is not None:
            metadata[f"rate_remaining/{report.account}"] = report.rate_remaining
    return metadata
