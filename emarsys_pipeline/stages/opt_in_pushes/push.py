"""Writes the opt-in values that are due to one Emarsys account.

Reads opt_in_deltas and the earlier attempts; writes opt_in_pushes, one row per attempt to write
one delta. A second run sends only what is still due. It stops when Emarsys refuses the account's
credentials or cannot be reached; what was due stays due.

One worker per account holds the push lock, so one contact is never in two requests at once and a
later decision is never overtaken. Where the lock can be lost with a connection, it is looked at in
the transaction that records an intent and right before each request: who has lost it sends nothing
more, and what it had on its way is left alone by the next holder for as long as it may take. The
intent is committed before a request is sent and its
outcome after it, so a kill at any point leaves a row that says what may have happened. Before
each request, in the transaction that records the intent, the newest decisions are taken in: no
value is sent that had been superseded when its request was built.

A contact that Emarsys does not know by its id any more is a dead letter, or, where the account sets
``create_missing_contacts``, is written by its e-mail address or phone number in a request that
makes it when nobody has that key. Such a request may be repeated: the second finds what the first
made.
"""

import logging
from dataclasses import dataclass, replace
from datetime import datetime

from emarsys_pipeline.clock import Clock, utc_now
from emarsys_pipeline.emarsys import EmarsysClient
from emarsys_pipeline.emarsys.errors import EmarsysError, PermissionMissingError
from emarsys_pipeline.settings import AccountSettings, PushSettings
from emarsys_pipeline.stages.opt_in_pushes.intents import Batch, Refresh, record_intents
from emarsys_pipeline.stages.opt_in_pushes.settle import settle_unknown
from emarsys_pipeline.stages.opt_in_pushes.verdicts import (
    NOT_FOUND,
    PushVerdict,
    verdict_of_acceptance,
    verdict_of_contact_error,
    verdict_of_failed_request,
    verdict_of_silence,
)
from emarsys_pipeline.stages.outboxes import record_outcomes
from emarsys_pipeline.stages.progress import Progress, no_progress
from emarsys_pipeline.warehouse import HeldLock, Warehouse

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class OptInPushed:
    """What one drain of an account's outbox did, in deltas (``requests``: in HTTP requests).

    ``rejected`` are dead letters; ``retrying`` will be sent again by a later run; ``unknown`` got
    no answer and will be read back.
    """

    accepted: int = 0
    rejected: int = 0
    retrying: int = 0
    unknown: int = 0
    superseded: int = 0
    requests: int = 0


def push_account(
    warehouse: Warehouse,
    client: EmarsysClient,
    account: AccountSettings,
    *,
    pushes: PushSettings,
    run_id: str,
    refresh: Refresh,
    progress: Progress = no_progress,
    now: Clock = utc_now,
) -> OptInPushed:
    """Send everything that is due for one account, in batches.

    Args:
        warehouse: where deltas and pushes live.
        client: a client of the account.
        account: whose outbox to drain.
        pushes: batch size and patience.
        run_id: written beside the rows.
        refresh: takes newer decisions in, within the transaction it is handed.
        progress: told of the deltas sent.
        now: the clock.

    Raises:
        EmarsysError: the account cannot be written to at all; its deltas stay due.
        PermissionMissingError: values without an answer could not be read back; they stay unknown,
            and everything else was sent.
        LockLostError: somebody else may push to the account by now; nothing more was sent.
        OptInFieldError: the newest decisions cannot be told for this account; nothing is sent.
    """
    done, not_read_back = OptInPushed(), None
    creates_missing = account.opt_in is not None and account.opt_in.create_missing_contacts
    with warehouse.push_lock(account.name) as lock:
        try:
            settled = settle_unknown(warehouse, client, account, lock, pushes=pushes, now=now)
        except PermissionMissingError as error:
            not_read_back = error
        else:
            done = OptInPushed(
                accepted=settled.accepted, retrying=settled.retrying, rejected=settled.rejected
            )
        while True:
            batch, superseded = record_intents(
                warehouse, account, lock, pushes, run_id, refresh, now()
            )
            done = replace(done, superseded=done.superseded + superseded)
            if not batch.intents:
                break
            verdicts, failure = _send(
                client, lock, batch, pushes, now, creates_missing=creates_missing
            )
            _record_outcomes(warehouse, batch, verdicts, now())
            done = _count(done, verdicts)
            progress(f"push {account.name}", done.accepted + done.rejected, None)
            if failure is not None:
                if not failure.is_retryable and not failure.is_outcome_unknown:
                    raise failure
                logger.warning("stopped pushing to %s: %s", account.name, failure)
                break
    if not_read_back is not None:
        raise not_read_back
    return done


def _send(
    client: EmarsysClient,
    lock: HeldLock,
    batch: Batch,
    pushes: PushSettings,
    now: Clock,
    *,
    creates_missing: bool,
) -> tuple[list[PushVerdict], EmarsysError | None]:
    try:
        answer = client.update_contacts(
            batch.contacts,
            key_field=batch.key_field,
            create_missing=batch.creates_missing,
            before_sending=lock.check,
        )
    except EmarsysError as error:
        moment = now()
        return [
            verdict_of_failed_request(each.contact_id, each.attempt, error, pushes, moment)
            for each in batch.intents
        ], error
    moment = now()
    # A contact found or made by a key is answered by an id that we do not know, so it is only
    # sure that all were written when there are as many ids as contacts that were not refused.
    is_complete = len(answer.updated) + len(answer.errors) == len(batch.intents)
    verdicts = []
    for each in batch.intents:
        refusal = answer.errors.get(each.key)
        if refusal is not None:
            verdict = verdict_of_contact_error(
                each.contact_id, each.refusals + 1, refusal, answer.http_status, pushes, moment
            )
            if creates_missing and not batch.creates_missing and refusal.code == NOT_FOUND:
                verdict = replace(verdict, is_retryable=True, retry_at=moment, remedy=None)
        elif is_complete if batch.creates_missing else each.contact_id in answer.updated:
            verdict = verdict_of_acceptance(each.contact_id, answer)
        else:
            verdict = verdict_of_silence(each.contact_id, answer.http_status, pushes, moment)
        verdicts.append(verdict)
    return verdicts, None


def _record_outcomes(
    warehouse: Warehouse, batch: Batch, verdicts: list[PushVerdict], moment: datetime
) -> None:
    record_outcomes(warehouse, "opt_in_pushes", batch.batch_id, verdicts, moment)


def _count(done: OptInPushed, verdicts: list[PushVerdict]) -> OptInPushed:
    def how_many(outcome: str, *, retryable: bool) -> int:
        return sum(v.outcome == outcome and v.is_retryable == retryable for v in verdicts)

    return replace(
        done,
        accepted=done.accepted + how_many("accepted", retryable=False),
        rejected=done.rejected + how_many("rejected", retryable=False),
        retrying=done.retrying + how_many("rejected", retryable=True),
        unknown=done.unknown + how_many("unknown", retryable=True),
        requests=done.requests + 1,
    )
