"""Writes the opt-in values that are due to one Emarsys account.

Reads opt_in_deltas and the earlier attempts; writes opt_in_pushes, one row per attempt to write
one delta. A second run sends only what is still due. It stops when Emarsys refuses the account's
credentials or cannot be reached; what was due stays due.

One worker per account holds the push lock, so one contact is never in two requests at once and a
later decision is never overtaken. The intent is committed before a request is sent and its
outcome after it, so a kill at any point leaves a row that says what may have happened. Before
each request, in the transaction that records the intent, the newest decisions are taken in: no
value is sent that had been superseded when its request was built.
"""

import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import duckdb
import pyarrow as pa

from emarsys_pipeline.clock import Clock, utc_now
from emarsys_pipeline.emarsys import EmarsysClient
from emarsys_pipeline.emarsys.errors import EmarsysError, PermissionMissingError
from emarsys_pipeline.emarsys.records import ContactsUpdated
from emarsys_pipeline.settings import AccountSettings, PushSettings
from emarsys_pipeline.stages.opt_in_deltas import OptInFieldError
from emarsys_pipeline.stages.opt_in_pushes.settle import settle_unknown
from emarsys_pipeline.stages.opt_in_pushes.verdicts import (
    PushVerdict,
    verdict_of_contact_error,
    verdict_of_failed_request,
    verdict_of_silence,
)
from emarsys_pipeline.stages.progress import Progress, no_progress
from emarsys_pipeline.warehouse import Warehouse, load_sql

logger = logging.getLogger(__name__)

# Takes newer decisions in; says by account why its opt-in field cannot take them.
Refresh = Callable[[duckdb.DuckDBPyConnection], Mapping[str, str]]


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


@dataclass(frozen=True, slots=True)
class _Batch:
    batch_id: str
    contact_ids: list[str]
    fields: list[str]
    values: list[str]
    attempts: list[int]
    refusals: list[int]

    @property
    def contacts(self) -> list[dict[str, str]]:
        return [
            {"id": contact_id, field: value}
            for contact_id, field, value in zip(
                self.contact_ids, self.fields, self.values, strict=True
            )
        ]


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
        OptInFieldError: the newest decisions cannot be told for this account; nothing is sent.
    """
    done, not_read_back = OptInPushed(), None
    with warehouse.push_lock(account.name):
        try:
            settled = settle_unknown(warehouse, client, account.name, pushes=pushes, now=now)
        except PermissionMissingError as error:
            not_read_back = error
        else:
            done = OptInPushed(
                accepted=settled.accepted, retrying=settled.retrying, rejected=settled.rejected
            )
        while True:
            batch, superseded = _record_intents(
                warehouse, account.name, pushes, run_id, refresh, now()
            )
            done = replace(done, superseded=done.superseded + superseded)
            if not batch.contact_ids:
                break
            verdicts, failure = _send(client, batch, pushes, now)
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


def _record_intents(
    warehouse: Warehouse,
    account: str,
    pushes: PushSettings,
    run_id: str,
    refresh: Refresh,
    moment: datetime,
) -> tuple[_Batch, int]:
    """Choose the next batch and commit that it is about to be sent."""
    batch_id = uuid.uuid4().hex
    with warehouse.write() as connection:
        refused = refresh(connection)
        if account in refused:
            raise OptInFieldError(refused[account])
        parameters = {"account": account, "now": moment, "run_id": run_id, "batch_id": batch_id}
        superseded = connection.execute(
            load_sql(__package__, "supersede.sql"), parameters
        ).fetchall()
        connection.execute(
            load_sql(__package__, "intend.sql"), {**parameters, "batch_size": pushes.batch_size}
        )
        rows = connection.execute(
            load_sql(__package__, "batch.sql"), {"batch_id": batch_id}
        ).fetchall()
    columns: list[list[object]] = [list(column) for column in zip(*rows, strict=True)] or [
        [] for _ in range(5)
    ]
    return _Batch(batch_id, *columns), int(superseded[0][0])  # type: ignore[arg-type]  # by SQL


def _send(
    client: EmarsysClient, batch: _Batch, pushes: PushSettings, now: Clock
) -> tuple[list[PushVerdict], EmarsysError | None]:
    try:
        answer = client.update_contacts(batch.contacts, key_field="id")
    except EmarsysError as error:
        moment = now()
        return [
            verdict_of_failed_request(contact_id, attempt, error, pushes, moment)
            for contact_id, attempt in zip(batch.contact_ids, batch.attempts, strict=True)
        ], error
    moment = now()
    answered = {
        contact_id: _verdict_of_answer(contact_id, refusals, answer, pushes, moment)
        for contact_id, refusals in zip(batch.contact_ids, batch.refusals, strict=True)
    }
    return list(answered.values()), None


def _verdict_of_answer(
    contact_id: str, refusals: int, answer: ContactsUpdated, pushes: PushSettings, moment: datetime
) -> PushVerdict:
    refusal = answer.errors.get(contact_id)
    if refusal is not None:
        return verdict_of_contact_error(
            contact_id, refusals + 1, refusal, answer.http_status, pushes, moment
        )
    if contact_id in answer.updated:
        return PushVerdict(
            contact_id=contact_id,
            outcome="accepted",
            http_status=answer.http_status,
            reply_code=str(answer.reply_code),
        )
    return verdict_of_silence(contact_id, answer.http_status, pushes, moment)


def _record_outcomes(
    warehouse: Warehouse, batch: _Batch, verdicts: list[PushVerdict], moment: datetime
) -> None:
    table = pa.Table.from_pylist([verdict.as_row() for verdict in verdicts], schema=PushVerdict.ROW)
    with warehouse.write() as connection:
        connection.register("verdicts", table)
        connection.execute(
            load_sql(__package__, "record_outcomes.sql"),
            {"batch_id": batch.batch_id, "now": moment},
        )
        connection.unregister("verdicts")


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
