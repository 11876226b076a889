"""Examines one account: sign-in, clock, rate limit, permissions, segments and field mapping."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from emarsys_pipeline.connect import connect
from emarsys_pipeline.doctor.report import AccountReport, Problem, SegmentReport, Severity
from emarsys_pipeline.emarsys import Choice, EmarsysClient, Field, RetrySettings
from emarsys_pipeline.emarsys.auth import WSSE_ENDS_ON, wsse_days_left
from emarsys_pipeline.emarsys.errors import (
    EmarsysError,
    PermissionMissingError,
    RejectedRequestError,
    UnknownNameError,
)
from emarsys_pipeline.emarsys.mapping_lint import (
    Finding,
    MappedField,
    MappedOptIn,
    lint_mapping,
)
from emarsys_pipeline.emarsys.names import find_field
from emarsys_pipeline.emarsys.permissions import PermissionProbe
from emarsys_pipeline.settings import AccountSettings, SettingsError
from emarsys_pipeline.stages.raw_segment_exports import resolve_segments
from emarsys_pipeline.stages.raw_segment_exports.errors import SegmentImportError

if TYPE_CHECKING:
    from emarsys_pipeline.postgresql import Database

# Nobody wants to wait for hours to be told that a segment is slow.
QUICK = RetrySettings(total_seconds=20.0, evaluation_seconds=60.0)

# Without these nothing is imported, or nothing can be settled; without the others less is.
REQUIRED_PERMISSIONS = frozenset(
    {"contact.getdata", "export.segment", "export.status", "export.download", "field.list"}
)
PERMISSION_REMEDY = (
    "Switch it on for this API user under Security Settings > API Credentials; a change can take "
    "some minutes to act."
)
MAX_SKEW_SECONDS = 300  # WSSE is refused beyond
NOTABLE_SKEW_SECONDS = 60
LOW_HEADROOM = 0.2  # share of the limit


@dataclass(slots=True)
class _Problems:
    """Collects problems in the order in which they are found."""

    found: list[Problem] = field(default_factory=list)

    def add(self, about: str, severity: Severity, message: str, remedy: str) -> None:
        self.found.append(Problem(about=about, severity=severity, message=message, remedy=remedy))

    def add_error(self, about: str, severity: Severity, error: Exception) -> None:
        """An error of ours, whose message ends with its remedy."""
        remedy = str(getattr(error, "remedy", "Put it right, then look again."))
        self.add(about, severity, str(error).removesuffix(f". {remedy}"), remedy)

    @property
    def in_order(self) -> tuple[Problem, ...]:
        return tuple(sorted(self.found, key=lambda problem: problem.severity))


def examine_account(
    account: AccountSettings,
    *,
    rate_limit: "Path | Database",
    max_contacts_per_segment: int,
    property_types: Mapping[str, str],
    today: date,
    retries: RetrySettings | None = None,
) -> AccountReport:
    """Find out whether the account is ready; changes nothing in it, and raises no EmarsysError.

    Args:
        account: the account's settings.
        rate_limit: where all who use the account share its rate limit.
        max_contacts_per_segment: larger segments are not imported.
        property_types: the column type of each property.
        today: counts the days left of WSSE.
        retries: how long one call may go on trying; None for ``QUICK``.
    """
    problems = _Problems()
    auth = account.connection.auth
    days_left = wsse_days_left(today) if auth == "wsse" else None
    report = AccountReport(
        account=account.name, base_url=account.base_url, auth=auth, wsse_days_left=days_left
    )
    try:
        with connect(account, rate_limit=rate_limit, retries=retries or QUICK) as client:
            is_signed_in = _sign_in(client, problems)
            if is_signed_in:
                report = replace(
                    report,
                    is_signed_in=True,
                    permissions=_probe(client, problems),
                    segments=tuple(_segments(client, account, max_contacts_per_segment, problems)),
                )
                _lint(client, account, property_types, problems)
            report = _measure(client, report, problems)
    except SettingsError as error:
        problems.add("sign-in", "error", str(error), "Set the variable, then look again.")
    if days_left is not None:
        _warn_of_wsse(days_left, problems)
    return replace(report, problems=problems.in_order)


def _sign_in(client: EmarsysClient, problems: _Problems) -> bool:
    """Whether the server answers and takes the credentials."""
    try:
        client.get_settings()
    except (PermissionMissingError, RejectedRequestError):
        return True  # refused after the credentials were accepted
    except EmarsysError as error:
        problems.add_error("sign-in", "error", error)
        return False
    return True


def _probe(client: EmarsysClient, problems: _Problems) -> tuple[PermissionProbe, ...]:
    try:
        probes = client.probe_permissions()
    except EmarsysError as error:
        problems.add_error("sign-in", "error", error)
        return ()
    for probe in probes:
        name, lost = probe.permission.name, probe.permission.lost
        if probe.state == "missing":
            severity: Severity = "error" if name in REQUIRED_PERMISSIONS else "warning"
            message = f"{name} is missing, and with it: {lost}"
            problems.add("permission", severity, message, PERMISSION_REMEDY)
        elif probe.state == "unclear":
            problems.add(
                "permission", "warning", f"{name} is unclear: {probe.detail}", "Look again later."
            )
    return tuple(probes)


def _segments(
    client: EmarsysClient, account: AccountSettings, limit: int, problems: _Problems
) -> Iterator[SegmentReport]:
    for reference in account.segments:
        try:
            found = resolve_segments(client, account.model_copy(update={"segments": (reference,)}))
        except (EmarsysError, SegmentImportError) as error:
            problems.add_error("segment", "error", error)
            continue
        for segment_id, name in found.items():
            segment = SegmentReport(
                segment_id=segment_id,
                name=name,
                contacts=_count(client, segment_id, problems),
                limit=limit,
            )
            if segment.is_over_limit:
                problems.add(
                    "segment",
                    "error",
                    f"segment {segment_id} ({name}) has {segment.contacts:,} contacts, and at most "
                    f"{limit:,} are imported",
                    "Split it in Emarsys, and put the parts into the settings.",
                )
            yield segment


def _count(client: EmarsysClient, segment_id: str, problems: _Problems) -> int | None:
    try:
        return client.count_segment(segment_id)
    except PermissionMissingError:
        return None  # told as a missing permission
    except EmarsysError as error:
        # one that is still evaluated may be counted later
        severity: Severity = "warning" if error.is_retryable else "error"
        problems.add_error("segment", severity, error)
        return None


def _lint(
    client: EmarsysClient,
    account: AccountSettings,
    property_types: Mapping[str, str],
    problems: _Problems,
) -> None:
    try:
        fields = client.list_fields(account.language)
        findings = lint_mapping(
            fields, _mapped(account, property_types), _opt_in(client, account, fields)
        )
    except PermissionMissingError:
        return  # told as a missing permission
    except EmarsysError as error:
        problems.add_error("mapping", "error", error)
        return
    for finding in findings:
        _add_finding(finding, problems)


def _add_finding(finding: Finding, problems: _Problems) -> None:
    problems.add("mapping", finding.severity, finding.message, finding.remedy)


def _mapped(account: AccountSettings, property_types: Mapping[str, str]) -> list[MappedField]:
    return [
        MappedField(
            called=mapping.emarsys,
            property=mapping.property,
            identifier=mapping.identifier,
            data_type=property_types.get(mapping.property, "varchar"),
        )
        for mapping in account.fields
    ]


def _opt_in(
    client: EmarsysClient, account: AccountSettings, fields: list[Field]
) -> MappedOptIn | None:
    opt_in = account.opt_in
    if opt_in is None:
        return None
    choices: list[Choice] = []
    try:
        found = find_field(fields, opt_in.field)
        if found.has_choices:
            choices = client.list_choices([found.id], account.language)[found.id]
    except (UnknownNameError, PermissionMissingError):
        pass  # the linter and the probe tell
    return MappedOptIn(
        called=opt_in.field, values=(opt_in.granted, opt_in.withdrawn), choices=tuple(choices)
    )


def _measure(client: EmarsysClient, report: AccountReport, problems: _Problems) -> AccountReport:
    """The report with what every reply's headers say: the clock and the rate limit."""
    skew, rate = client.clock_skew_seconds, client.rate_limit
    if skew is not None and abs(skew) > NOTABLE_SKEW_SECONDS and report.is_signed_in:
        direction = "ahead of" if skew > 0 else "behind"
        problems.add(
            "clock",
            "error" if report.auth == "wsse" and abs(skew) > MAX_SKEW_SECONDS else "warning",
            f"this machine's clock is {abs(skew):.0f} s {direction} Emarsys's; WSSE is refused "
            f"beyond {MAX_SKEW_SECONDS} s",
            "Set the clock right, for example with NTP.",
        )
    limit = None if rate is None else rate.limit
    remaining = None if rate is None else rate.remaining
    if limit and remaining is not None and remaining < LOW_HEADROOM * limit:
        problems.add(
            "rate limit",
            "warning",
            f"{remaining} of {limit} requests are left in this minute",
            "If nothing of ours is running, another program uses this API user: give it its own.",
        )
    return replace(report, clock_skew_seconds=skew, rate_limit=limit, rate_remaining=remaining)


def _warn_of_wsse(days_left: int, problems: _Problems) -> None:
    is_over = days_left < 0
    when = "has been" if is_over else "is"
    left = "" if is_over else f": {days_left} days are left"
    problems.add(
        "end of WSSE",
        "error" if is_over else "warning",
        f"WSSE {when} switched off by Emarsys on {WSSE_ENDS_ON}{left}",
        "Make OAuth2 credentials in Emarsys, and write auth: oauth2 with client_id and "
        "client_secret into this account's connection.",
    )
