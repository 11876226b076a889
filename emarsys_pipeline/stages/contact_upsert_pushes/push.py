"""Tells the messaging platform of the persons that are due, over HTTP.

Reads contact_upserts and the earlier attempts; writes contact_upsert_pushes, one row per attempt to
send one upsert. A second run sends only what is still due. It stops when the platform refuses the
API key, cannot be reached, asks for a long wait or keeps failing; what was due stays due.

One worker holds the messaging lock, and an identity is in a batch once, so a contact is never in
two requests at once. The intent is committed before a request is sent and its outcome after it, so
a kill at any point leaves a row that says what may have happened. In the transaction that records
the intents, the newest golden records are taken in and older upserts are superseded: no content is
sent that had been superseded when its request was built.

An upsert without an answer is settled by repetition, since the contact API has nothing to read
back with. A body tells the whole content under the identity's external reference id: applied twice
it leaves what it leaves applied once. What repetition alone does not rule out is an early request
that arrives late, after a newer one; so an identity whose outcome is unknown is left alone until
``settle_after_seconds`` have passed and its request has ended. Then its newest content is sent,
whichever that is by now. A worker that died leaves the same rows, and they are settled the same
way.
"""

import logging
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from emarsys_pipeline.clock import Clock, utc_now
from emarsys_pipeline.messaging import MessagingClient, ThrottledError
from emarsys_pipeline.settings import MessagingHttpSettings
from emarsys_pipeline.stages.contact_upsert_pushes.refresh import Refresh
from emarsys_pipeline.stages.contact_upsert_pushes.send import BatchSent, Upsert, send_batch
from emarsys_pipeline.stages.contact_upsert_pushes.verdicts import UpsertVerdict
from emarsys_pipeline.stages.outboxes import adopt_orphans, record_outcomes
from emarsys_pipeline.stages.progress import Progress, no_progress
from emarsys_pipeline.warehouse import HeldLock, Warehouse, load_sql

logger = logging.getLogger(__name__)

NAME_KEYS = ("first_name", "middle_name", "last_name")
"""Properties that the contact API has keys of its own for."""

# A platform that asks for a longer pause gets it between two runs.
MAX_PAUSE_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactUpsertsPushed:
    """What one drain of the outbox did, in upserts.

    ``rejected`` are dead letters; ``retrying`` were refused for now and ``unsent`` not sent, both
    are for a later run; ``unknown`` got no answer and will be sent again.
    """

    accepted: int = 0
    rejected: int = 0
    retrying: int = 0
    unsent: int = 0
    unknown: int = 0
    superseded: int = 0


def push_contact_upserts(
    warehouse: Warehouse,
    client: MessagingClient,
    http: MessagingHttpSettings,
    *,
    identifying: Sequence[str],
    run_id: str,
    refresh: Refresh,
    progress: Progress = no_progress,
    now: Clock = utc_now,
    sleep: Callable[[float], None] = time.sleep,
) -> ContactUpsertsPushed:
    """Send everything that is due, batch by batch.

    Args:
        warehouse: where upserts and pushes live.
        client: a client of the messaging platform.
        http: batch size and patience.
        identifying: properties that are sent as numbers and addresses instead.
        run_id: written beside the rows.
        refresh: takes newer golden records in, within the transaction it is handed.
        progress: told of the upserts sent.
        now: the clock.
        sleep: how to pause when the platform asks for it.

    Raises:
        MessagingError: the platform takes nothing until somebody corrects the settings; what was
            due stays due.
    """
    done = ContactUpsertsPushed()
    with warehouse.messaging_lock() as lock:
        _adopt_orphans(warehouse, http, now())
        while True:
            batch_id, upserts, superseded = _record_intents(
                warehouse, lock, http, identifying, run_id, refresh, now()
            )
            done = replace(done, superseded=done.superseded + superseded)
            if not upserts:
                break
            lock.check()
            sent = send_batch(client, upserts, http, now)
            _record_outcomes(warehouse, batch_id, sent.verdicts, now())
            done = _count(done, sent.verdicts)
            progress("tell the messaging platform", done.accepted + done.rejected, None)
            if sent.stopped_by is not None and not _may_go_on(sent, sleep):
                if not sent.stopped_by.is_retryable:
                    raise sent.stopped_by
                logger.warning("stopped telling the messaging platform: %s", sent.stopped_by)
                break
    return done


def _may_go_on(sent: BatchSent, sleep: Callable[[float], None]) -> bool:
    """Whether the platform only asked for a short pause, and took something before; pauses."""
    error = sent.stopped_by
    is_short = (
        isinstance(error, ThrottledError)
        and error.wait_seconds is not None
        and error.wait_seconds <= MAX_PAUSE_SECONDS
        and any(verdict.outcome == "accepted" for verdict in sent.verdicts)
    )
    if is_short and error is not None:
        sleep(error.wait_seconds or 0.0)
    return is_short


def _adopt_orphans(warehouse: Warehouse, http: MessagingHttpSettings, moment: datetime) -> None:
    settle_at = moment + timedelta(seconds=http.settle_after_seconds)
    with warehouse.write() as connection:
        adopt_orphans(connection, "contact_upsert_pushes", settle_at, account=None)


def _record_intents(
    warehouse: Warehouse,
    lock: HeldLock,
    http: MessagingHttpSettings,
    identifying: Sequence[str],
    run_id: str,
    refresh: Refresh,
    moment: datetime,
) -> tuple[str, list[Upsert], int]:
    """Choose the next batch and commit that it is about to be sent."""
    batch_id = uuid.uuid4().hex
    with warehouse.write() as connection:
        refresh(connection)
        connection.execute(load_sql(__package__, "settle.sql"), {"now": moment})
        parameters = {"now": moment, "run_id": run_id, "batch_id": batch_id}
        superseded = connection.execute(
            load_sql(__package__, "supersede.sql"), parameters
        ).fetchall()
        connection.execute(
            load_sql(__package__, "intend.sql"), {**parameters, "batch_size": http.batch_size}
        )
        rows = connection.execute(
            load_sql(__package__, "batch.sql"),
            {
                "batch_id": batch_id,
                "source_type": http.source_type,
                "names": list(NAME_KEYS),
                "identifying": sorted(set(identifying) - set(NAME_KEYS)),
            },
        ).fetchall()
        # The next holder of the lock sees either this commit or that nothing was intended.
        lock.check()
    return batch_id, [Upsert(*row) for row in rows], int(superseded[0][0])


def _record_outcomes(
    warehouse: Warehouse, batch_id: str, verdicts: list[UpsertVerdict], moment: datetime
) -> None:
    record_outcomes(warehouse, "contact_upsert_pushes", batch_id, verdicts, moment)


def _count(done: ContactUpsertsPushed, verdicts: list[UpsertVerdict]) -> ContactUpsertsPushed:
    def how_many(outcome: str) -> int:
        return sum(verdict.outcome == outcome for verdict in verdicts)

    dead = sum(verdict.is_dead for verdict in verdicts)
    return replace(
        done,
        accepted=done.accepted + how_many("accepted"),
        rejected=done.rejected + dead,
        retrying=done.retrying + how_many("rejected") - dead,
        unsent=done.unsent + how_many("unsent"),
        unknown=done.unknown + how_many("unknown"),
    )
