"""Sends one batch over several connections, and stops early when going on makes no sense."""

import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from emarsys_pipeline.clock import Clock
from emarsys_pipeline.messaging import MessagingClient, MessagingError, PlatformFailedError
from emarsys_pipeline.messaging.errors import ContactRefusedError, NoAnswerError
from emarsys_pipeline.settings import MessagingHttpSettings
from emarsys_pipeline.stages.contact_upsert_pushes.verdicts import (
    UpsertVerdict,
    verdict_of_acceptance,
    verdict_of_failure,
    verdict_of_stop,
)

# So many failures in a row are the platform's and not the contacts'.
MAX_FAILURES_IN_A_ROW = 5
# So many contacts refused alike, and none taken, are the settings' fault.
MIN_REFUSED_ALIKE = 10


@dataclass(frozen=True, slots=True)
class Upsert:
    """One request to be sent: its upsert, its body, and how often it failed before."""

    upsert_id: str
    body: str
    failures: int


@dataclass(slots=True)
class BatchSent:
    """What became of a batch.

    Attributes:
        verdicts: one per upsert.
        stopped_by: why the rest was not sent; None when all of it was.
    """

    verdicts: list[UpsertVerdict]
    stopped_by: MessagingError | None


def send_batch(
    client: MessagingClient, upserts: Sequence[Upsert], http: MessagingHttpSettings, now: Clock
) -> BatchSent:
    """Send the upserts of different identities, several at a time.

    An error that is not about one contact (no network, no access, throttling, a platform that
    fails again and again) stops the batch; what was not sent by then is ``unsent``.
    """
    sending = _Sending(client, http, now)
    with ThreadPoolExecutor(max_workers=http.parallel_requests) as pool:
        verdicts = list(pool.map(sending.send, upserts))
    alike = _refused_alike(verdicts, sending.refusals)
    if alike is None:
        return BatchSent(verdicts, sending.stopped_by)
    moment = now()
    freed = [
        replace(verdict_of_stop(v.upsert_id, moment), reply_text=v.reply_text, remedy=alike.remedy)
        if v.is_dead
        else v
        for v in verdicts
    ]
    return BatchSent(freed, alike)


class AllRefusedError(MessagingError):
    """Every contact was refused alike: about the settings, not about the contacts."""

    default_remedy = (
        "Check messaging.http in the settings, and that the platform knows every custom property. "
        "Nothing is lost: all of it is sent again."
    )
    default_is_retryable = False


def _refused_alike(
    verdicts: Sequence[UpsertVerdict], refusals: Sequence[ContactRefusedError]
) -> AllRefusedError | None:
    """The error when all contacts were refused in the same words and none was taken."""
    counted = Counter((error.http_status, error.reply_text) for error in refusals)
    is_alike = len(counted) == 1 and len(refusals) >= MIN_REFUSED_ALIKE
    if not is_alike or any(verdict.outcome == "accepted" for verdict in verdicts):
        return None
    ((status, text), times) = counted.most_common(1)[0]
    return AllRefusedError(
        f"was answered with HTTP {status} for all {times} contacts",
        http_status=status,
        reply_text=text,
    )


@dataclass
class _Sending:
    """The state that the threads of one batch share."""

    client: MessagingClient
    http: MessagingHttpSettings
    now: Clock
    refusals: list[ContactRefusedError] = field(default_factory=list)
    stopped_by: MessagingError | None = None
    failures_in_a_row: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, upsert: Upsert) -> UpsertVerdict:
        if self.stopped_by is not None:
            return verdict_of_stop(upsert.upsert_id, self.now())
        try:
            status = self.client.upsert_contact(upsert.body.encode())
        except MessagingError as error:
            self._note(error)
            return verdict_of_failure(
                upsert.upsert_id, upsert.failures, error, self.http, self.now()
            )
        with self.lock:
            self.failures_in_a_row = 0
        return verdict_of_acceptance(upsert.upsert_id, status)

    def _note(self, error: MessagingError) -> None:
        with self.lock:
            match error:
                case ContactRefusedError():
                    self.failures_in_a_row = 0
                    self.refusals.append(error)
                case PlatformFailedError() | NoAnswerError():
                    self.failures_in_a_row += 1
                    if self.failures_in_a_row >= MAX_FAILURES_IN_A_ROW:
                        self.stopped_by = self.stopped_by or error
                case _:
                    self.stopped_by = self.stopped_by or error
