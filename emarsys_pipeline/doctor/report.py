"""What an examination of an account found."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from emarsys_pipeline.emarsys.permissions import PermissionProbe

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing to put right; an ``error`` makes runs fail, a ``warning`` soon may.

    Attributes:
        about: sign-in, clock, rate limit, permission, segment, mapping or end of WSSE.
        severity: error or warning.
        message: what was found, without personal data.
        remedy: what to do, one sentence.
    """

    about: str
    severity: Severity
    message: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentReport:
    """One configured segment; ``contacts`` is None when Emarsys did not tell the number."""

    segment_id: str
    name: str
    contacts: int | None
    limit: int

    @property
    def is_over_limit(self) -> bool:
        """Whether it has more contacts than an import takes."""
        return self.contacts is not None and self.contacts > self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountReport:
    """Everything found about one account.

    Attributes:
        account: its name in the settings.
        base_url: where its API is.
        auth: wsse or oauth2.
        wsse_days_left: until WSSE is switched off, negative afterwards; None with OAuth2.
        is_signed_in: whether the credentials work; nothing else is known when they do not.
        clock_skew_seconds: this machine's clock minus Emarsys's; None when it is not known.
        rate_limit: requests a minute.
        rate_remaining: how many of them were left after the examination.
        permissions: the state of each permission.
        segments: the configured segments that were found.
        problems: errors first.
    """

    account: str
    base_url: str
    auth: Literal["wsse", "oauth2"]
    wsse_days_left: int | None
    is_signed_in: bool = False
    clock_skew_seconds: float | None = None
    rate_limit: int | None = None
    rate_remaining: int | None = None
    permissions: Sequence[PermissionProbe] = ()
    segments: Sequence[SegmentReport] = ()
    problems: Sequence[Problem] = ()

    @property
    def errors(self) -> list[Problem]:
        """The problems that make runs fail."""
        return [problem for problem in self.problems if problem.severity == "error"]

    @property
    def is_ready(self) -> bool:
        """Whether imports and pushes can be expected to work."""
        return not self.errors

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        skew = self.clock_skew_seconds
        return {
            "account": self.account,
            "is_ready": self.is_ready,
            "base_url": self.base_url,
            "auth": self.auth,
            "wsse_days_left": self.wsse_days_left,
            "is_signed_in": self.is_signed_in,
            "clock_skew_seconds": None if skew is None else round(skew),
            "rate_limit": self.rate_limit,
            "rate_remaining": self.rate_remaining,
            "permissions": [
                {
                    "name": probe.permission.name,
                    "state": probe.state,
                    "lost_without": probe.permission.lost,
                }
                for probe in self.permissions
            ],
            "segments": [
                {**asdict(segment), "is_over_limit": segment.is_over_limit}
                for segment in self.segments
            ],
            "problems": [asdict(problem) for problem in self.problems],
        }
