"""What became of one contact of a push, and what to do about it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from emarsys_pipeline.emarsys.errors import EmarsysError, RejectedRequestError
from emarsys_pipeline.emarsys.records import ContactError, ContactsUpdated
from emarsys_pipeline.settings import PushSettings
from emarsys_pipeline.stages.outboxes import Verdict, backoff

NOT_FOUND = 2008
NO_KEY_REMEDY = (
    "The contact no longer exists in Emarsys, and holds no e-mail address or phone number that "
    "identifies its person: restore it there, or leave it."
)

# Reply codes: reference of the contact update call.
REMEDIES = {
    2004: "The key field is not accepted: check that the API user may update contacts by id.",
    2005: "The contact has no key value: import its segment again.",
    2006: "Emarsys does not know the opt-in field: check opt_in.field in the settings.",
    2007: "Emarsys refuses the value: opt_in.field must be a text field.",
    NOT_FOUND: (
        "The contact no longer exists in Emarsys: restore it there, set "
        "opt_in.create_missing_contacts, or leave it."
    ),
    2010: "Several contacts share the key in Emarsys: merge them there.",
}
UNKNOWN_REMEDY = "See the reply text, and the reply code in the Emarsys documentation."


@dataclass(frozen=True, slots=True, kw_only=True)
class PushVerdict(Verdict):
    """The outcome of one contact in one request; never unsent."""

    KEY: ClassVar[str] = "contact_id"

    contact_id: str
    reply_code: str | None = None


def verdict_of_acceptance(contact_id: str, answer: ContactsUpdated) -> PushVerdict:
    """Emarsys has written this contact."""
    return PushVerdict(
        contact_id=contact_id,
        outcome="accepted",
        http_status=answer.http_status,
        reply_code=str(answer.reply_code),
    )


def verdict_of_contact_error(
    contact_id: str,
    refusals: int,
    error: ContactError,
    http_status: int,
    pushes: PushSettings,
    moment: datetime,
) -> PushVerdict:
    """Emarsys refused this contact inside an answered request, for the ``refusals``-th time."""
    is_retryable = error.is_retryable and refusals < pushes.max_attempts
    return PushVerdict(
        contact_id=contact_id,
        outcome="rejected",
        is_retryable=is_retryable,
        retry_at=_retry_at(refusals, pushes, moment) if is_retryable else None,
        http_status=http_status,
        reply_code=str(error.code),
        reply_text=error.text,
        remedy=REMEDIES.get(error.code, UNKNOWN_REMEDY),
    )


def verdict_of_failed_request(
    contact_id: str, attempt: int, error: EmarsysError, pushes: PushSettings, moment: datetime
) -> PushVerdict:
    """The whole request failed.

    A failure that is not about this contact (no permission, no network) never uses up its
    attempts: it is sent again when the cause is gone. Only a refusal of the content is final.
    """
    code = getattr(error, "reply_code", None)
    facts: dict[str, Any] = {
        "contact_id": contact_id,
        "http_status": getattr(error, "http_status", None),
        "reply_code": None if code is None else str(code),
        "reply_text": getattr(error, "reply_text", None) or type(error).__name__,
        "remedy": error.remedy,
    }
    if error.is_outcome_unknown:
        settle_at = moment + timedelta(seconds=pushes.settle_after_seconds)
        return PushVerdict(outcome="unknown", is_retryable=True, retry_at=settle_at, **facts)
    if isinstance(error, RejectedRequestError) and not error.is_retryable:
        return PushVerdict(outcome="rejected", **facts)
    return PushVerdict(
        outcome="rejected",
        is_retryable=True,
        retry_at=_retry_at(attempt, pushes, moment),
        **facts,
    )


def verdict_of_silence(
    contact_id: str, http_status: int, pushes: PushSettings, moment: datetime
) -> PushVerdict:
    """The answer names this contact neither as written nor as refused."""
    return PushVerdict(
        contact_id=contact_id,
        outcome="unknown",
        is_retryable=True,
        retry_at=moment + timedelta(seconds=pushes.settle_after_seconds),
        http_status=http_status,
        reply_text="the answer does not name the contact",
    )


def _retry_at(attempt: int, pushes: PushSettings, moment: datetime) -> datetime:
    return moment + backoff(pushes.retry_base_seconds, attempt - 1)
