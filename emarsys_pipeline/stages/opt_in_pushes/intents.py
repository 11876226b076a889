"""Chooses what the next request carries, and commits that it is about to be sent."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from emarsys_pipeline.settings import AccountSettings, PushSettings
from emarsys_pipeline.stages.opt_in_deltas import OptInFieldError
from emarsys_pipeline.stages.opt_in_pushes.keys import make_contact_keys
from emarsys_pipeline.stages.opt_in_pushes.verdicts import NO_KEY_REMEDY
from emarsys_pipeline.warehouse import HeldLock, Warehouse, load_sql

# Takes newer decisions in; says by account why its opt-in field cannot take them.
Refresh = Callable[[duckdb.DuckDBPyConnection], Mapping[str, str]]

BY_ID = "id"


@dataclass(frozen=True, slots=True)
class Intent:
    """One contact of a request; ``key`` is its id, or the value of the request's key field."""

    contact_id: str
    key: str
    field_id: str
    value: str
    attempt: int
    refusals: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One request: its contacts, and the field that names them (``id`` or a field's id)."""

    batch_id: str
    key_field: str
    intents: tuple[Intent, ...]

    @property
    def creates_missing(self) -> bool:
        """Whether contacts that Emarsys does not have are made."""
        return self.key_field != BY_ID

    @property
    def contacts(self) -> list[dict[str, str]]:
        """The contacts as the request carries them."""
        return [{self.key_field: each.key, each.field_id: each.value} for each in self.intents]


def record_intents(
    warehouse: Warehouse,
    account: AccountSettings,
    lock: HeldLock,
    pushes: PushSettings,
    run_id: str,
    refresh: Refresh,
    moment: datetime,
) -> tuple[Batch, int]:
    """Choose the next batch and commit it, with the deltas that newer ones have superseded.

    Returns:
        The batch, which is empty when nothing is due, and the number of superseded deltas.

    Raises:
        LockLostError: somebody else may push to the account by now; nothing was committed.
        OptInFieldError: the newest decisions cannot be told for this account.
    """
    batch_id = uuid.uuid4().hex
    creates_missing = account.opt_in is not None and account.opt_in.create_missing_contacts
    with warehouse.write() as connection:
        refused = refresh(connection)
        if account.name in refused:
            raise OptInFieldError(refused[account.name])
        facts = {"account": account.name, "now": moment, "run_id": run_id, "batch_id": batch_id}
        sized = {**facts, "batch_size": pushes.batch_size}
        connection.execute(load_sql(__package__, "open_deltas.sql"), {"account": account.name})
        ((superseded,),) = connection.execute(
            load_sql(__package__, "supersede.sql"),
            {name: facts[name] for name in ("now", "run_id", "batch_id")},
        ).fetchall()
        ((chosen,),) = connection.execute(
            load_sql(__package__, "intend.sql"), {**sized, "creates_missing": creates_missing}
        ).fetchall()
        if creates_missing and not chosen:
            _intend_by_key(connection, account, sized)
        rows = connection.execute(
            load_sql(__package__, "batch.sql"), {"batch_id": batch_id}
        ).fetchall()
        batch = _batch(connection, batch_id, rows)
        # The next holder of the lock sees either this commit or that nothing was intended.
        lock.check()
    return batch, int(superseded)


def _intend_by_key(
    connection: duckdb.DuckDBPyConnection, account: AccountSettings, facts: Mapping[str, object]
) -> None:
    due = {name: facts[name] for name in ("account", "now")}
    connection.execute(load_sql(__package__, "due_by_key.sql"), due)
    make_contact_keys(connection, account, "select contact_id from due_by_key")
    attempt = {name: facts[name] for name in ("batch_id", "now", "run_id")}
    connection.execute(
        load_sql(__package__, "refuse_without_key.sql"), {**attempt, "remedy": NO_KEY_REMEDY}
    )
    connection.execute(
        load_sql(__package__, "intend_by_key.sql"), {**attempt, "batch_size": facts["batch_size"]}
    )


def _batch(
    connection: duckdb.DuckDBPyConnection, batch_id: str, rows: list[tuple[Any, ...]]
) -> Batch:
    key_field = next((str(row[-1]) for row in rows if row[-1] is not None), BY_ID)
    keys: dict[str, str] = {}
    if key_field != BY_ID:
        keys = dict(
            connection.execute(
                "select contact_id, key_value from contact_keys where key_field_id = $field",
                {"field": key_field},
            ).fetchall()
        )
    intents = tuple(
        Intent(contact_id, keys.get(contact_id, contact_id), *rest) for contact_id, *rest, _ in rows
    )
    return Batch(batch_id=batch_id, key_field=key_field, intents=intents)
