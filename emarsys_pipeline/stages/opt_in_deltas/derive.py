"""Derives which opt-in fields in Emarsys must change.

Reads resolved_consent_events, identity_members, opt_in_readings, and earlier deltas and pushes;
writes opt_in_deltas, one row per Emarsys contact whose field differs from the decision of its
person. A second run adds nothing, because a delta that exists is what the contact is expected to
show.

An account whose opt-in field is missing in Emarsys or is not a text field gets no deltas; the
others get theirs, and then it stops.

Every run looks at the newest decisions, whichever window it is for: a delta derived from an older
state would be overtaken before it was sent. The window only says which run derived it.

The id of a delta is a hash of account, contact, field, value, deciding event and predecessor (the
delta or reading that the old value is known from), so a value that flips back gets an id of its
own while a repeated run gives the same one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import duckdb
import pyarrow as pa

from emarsys_pipeline.clock import Clock, utc_now
from emarsys_pipeline.settings import AccountSettings
from emarsys_pipeline.warehouse import Warehouse, load_sql
from emarsys_pipeline.windows import Window

TEXT_TYPES = ("shorttext", "longtext", "largetext")


class OptInFieldError(Exception):
    """The opt-in field of an account cannot take a consent value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OptInDeltasDerived:
    """What one derivation added, in rows, and what it could not use.

    ``refused_accounts`` tells by account why its opt-in field cannot take a consent value.
    ``unresolved_events`` are decisions of nobody that an identity is known for;
    ``unknown_status`` are decisions whose status is neither a grant nor a withdrawal. Both count
    the whole ledger.
    """

    derived: int
    by_reason: dict[str, int]
    refused_accounts: dict[str, str]
    unresolved_events: int
    unknown_status: int


def derive_opt_in_deltas(
    warehouse: Warehouse,
    window: Window,
    *,
    accounts: Sequence[AccountSettings],
    run_id: str,
    now: Clock = utc_now,
) -> OptInDeltasDerived:
    """Add the deltas that are missing, in a transaction of its own.

    Args and result as for :func:`add_opt_in_deltas`.

    Raises:
        OptInFieldError: an account's opt-in field is missing or is not a text field; the deltas of
            the other accounts are kept.
    """
    with warehouse.write() as connection:
        # Two threads take a seventh more CPU time to be done some tenths of a second sooner.
        connection.execute("set threads = 1")
        result = add_opt_in_deltas(connection, window, accounts=accounts, run_id=run_id, now=now)
    if result.refused_accounts:
        raise OptInFieldError("; ".join(result.refused_accounts.values()))
    return result


def add_opt_in_deltas(
    connection: duckdb.DuckDBPyConnection,
    window: Window,
    *,
    accounts: Sequence[AccountSettings],
    run_id: str,
    now: Clock = utc_now,
) -> OptInDeltasDerived:
    """Add the deltas that are missing, in this transaction.

    Args:
        connection: an open transaction of the warehouse.
        window: the window that the new rows belong to.
        accounts: those with ``opt_in`` settings take part, once they have been imported.
        run_id: written beside the rows.
        now: the clock; a delta is never older than the one before it.
    """
    targets, refused = _opt_in_targets(connection, accounts)
    connection.register("opt_in_targets", targets)
    ((latest,),) = connection.execute("select max(derived_at) from opt_in_deltas").fetchall()
    derived_at = now() if latest is None else max(now(), latest.astimezone(UTC) + _TICK)
    connection.execute(load_sql(__package__, "resolved_decisions.sql"))
    connection.execute(load_sql(__package__, "decided_contacts.sql"))
    connection.execute(
        load_sql(__package__, "missing_deltas.sql"),
        {"window_start": window.start, "derived_at": derived_at, "run_id": run_id},
    )
    connection.unregister("opt_in_targets")
    by_reason = connection.execute(
        "select reason, count(*) from missing_deltas group by reason order by reason"
    ).fetchall()
    connection.execute("insert into opt_in_deltas by name from missing_deltas")
    ((unresolved, unknown),) = connection.execute(
        "select count(*) filter (identity_id is null and source <> 'erased'),"
        " count(*) filter (status = 'unknown')"
        " from resolved_decisions"
    ).fetchall()
    for table in _TEMPORARY:
        connection.execute(" ".join(["drop table", f"temp.{table}"]))
    return OptInDeltasDerived(
        derived=sum(rows for _, rows in by_reason),
        by_reason=dict(by_reason),
        refused_accounts=refused,
        unresolved_events=unresolved,
        unknown_status=unknown,
    )


_TICK = datetime.resolution
_TEMPORARY = ("resolved_decisions", "decided_contacts", "missing_deltas")


def opt_in_targets(
    connection: duckdb.DuckDBPyConnection, accounts: Sequence[AccountSettings]
) -> pa.Table:
    """One row per account that takes consent values: account, field_id, channel and both values."""
    return _opt_in_targets(connection, accounts)[0]


def _opt_in_targets(
    connection: duckdb.DuckDBPyConnection, accounts: Sequence[AccountSettings]
) -> tuple[pa.Table, dict[str, str]]:
    """One row per account that takes consent values; by account, why others cannot."""
    rows: list[dict[str, str]] = []
    refused: dict[str, str] = {}
    for account in accounts:
        try:
            field_id = _opt_in_field_id(connection, account)
        except OptInFieldError as error:
            refused[account.name] = str(error)
            continue
        if account.opt_in is not None and field_id is not None:
            rows.append(
                {
                    "account": account.name,
                    "field_id": field_id,
                    "channel": account.opt_in.channel.lower(),
                    "granted_value": account.opt_in.granted,
                    "withdrawn_value": account.opt_in.withdrawn,
                }
            )
    names = ("account", "field_id", "channel", "granted_value", "withdrawn_value")
    schema = pa.schema([(name, pa.string()) for name in names])
    return pa.Table.from_pylist(rows, schema=schema), refused


def _opt_in_field_id(connection: duckdb.DuckDBPyConnection, account: AccountSettings) -> str | None:
    """The id of the account's opt-in field; None before the first import, or without opt-in."""
    if account.opt_in is None:
        return None
    found = find_field(connection, account.name, account.opt_in.field)
    field_id, application_type = found.field_id, found.application_type
    if not found.is_imported:
        return None
    if field_id is None:
        raise OptInFieldError(
            f"account {account.name} has no field {account.opt_in.field!r}: create a text field of "
            "that name in Emarsys, or name another one under opt_in in the settings"
        )
    if application_type not in TEXT_TYPES:
        raise OptInFieldError(
            f"field {account.opt_in.field!r} of account {account.name} is of type "
            f"{application_type}, and consent needs a text field: create one in Emarsys and name "
            "it under opt_in in the settings"
        )
    return field_id


class FoundField(NamedTuple):
    """A field by any of its names; None where the account has none, or was not imported yet."""

    is_imported: bool
    field_id: str | None
    application_type: str | None


def find_field(connection: duckdb.DuckDBPyConnection, account: str, reference: str) -> FoundField:
    """The field that this id, string id or name means in the account's newest catalogue."""
    rows = connection.execute(
        load_sql(__package__, "opt_in_field.sql"), {"account": account, "field": reference}
    ).fetchall()
    return FoundField(*rows[0])
