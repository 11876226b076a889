"""What became of one upsert of a batch, and when it is due again."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Literal

from emarsys_pipeline.messaging import MessagingError
from emarsys_pipeline.settings import MessagingHttpSettings
from emarsys_pipeline.stages.outboxes import LONGEST_WAIT, Verdict, backoff


@dataclass(frozen=True, slots=True, kw_only=True)
class UpsertVerdict(Verdict):
    """The outcome of one upsert."""

    KEY: ClassVar[str] = "upsert_id"

    upsert_id: str


def verdict_of_acceptance(upsert_id: str, http_status: int) -> UpsertVerdict:
    """The platform took it."""
    return UpsertVerdict(upsert_id=upsert_id, outcome="accepted", http_status=http_status)


def verdict_of_failure(
    upsert_id: str,
    failures: int,
    error: MessagingError,
    http: MessagingHttpSettings,
    moment: datetime,
) -> UpsertVerdict:
    """The request failed, after ``failures`` earlier failures of the same upsert.

    Only a refusal of this contact is final. Everything else is sent again when its time has come,
    as often as it takes: an outage of the platform must not turn persons into dead letters.
    """
    if error.is_outcome_unknown:
        # A request that is still on its way must have ended before another one may start. A
        # platform that fails again and again is asked less and less often.
        patience = timedelta(seconds=http.settle_after_seconds)
        if error.http_status:
            patience = max(patience, backoff(http.retry_base_seconds, failures))
        return _verdict(upsert_id, "unknown", error, retry_at=moment + patience)
    if error.is_about_contact:
        return _verdict(upsert_id, "rejected", error, retry_at=None)
    wait = backoff(http.retry_base_seconds, failures)
    if error.wait_seconds is not None:
        wait = min(timedelta(seconds=error.wait_seconds), LONGEST_WAIT)
    return _verdict(upsert_id, "rejected", error, retry_at=moment + wait)


def verdict_of_stop(upsert_id: str, moment: datetime) -> UpsertVerdict:
    """The drain stopped before this upsert was sent: it is due as soon as another one starts."""
    return UpsertVerdict(
        upsert_id=upsert_id,
        outcome="unsent",
        is_retryable=True,
        retry_at=moment,
        reply_text="not sent: the drain stopped before it",
    )


def _verdict(
    upsert_id: str,
    outcome: Literal["rejected", "unknown"],
    error: MessagingError,
    *,
    retry_at: datetime | None,
) -> UpsertVerdict:
    return UpsertVerdict(
        upsert_id=upsert_id,
        outcome=outcome,
        is_retryable=retry_at is not None,
        retry_at=retry_at,
        http_status=error.http_status,
        reply_text=error.reply_text or type(error).__name__,
        remedy=error.remedy,
    )
