"""Mapping all kept raw rows of an account again, and deriving its current tables from that.

Reads: raw_segment_exports, segment_imports, raw_prunings, emarsys_fields, emarsys_choices, and
mapped_contacts of windows whose raw rows are gone. Never the clock, never Emarsys. Writes:
mapped_contacts, rejected_values and opt_in_readings of the kept windows, current_contacts of all.

What was mapped before the kept windows is left as it is: it says when a contact was first seen,
which its identity's id is made of, and holds the values of those who left since. A reading of the
opt-in field that is newer than every import, from reading back, stays too.

A second run: writes the same rows, but for run and load time. One transaction: a run that is
killed has changed nothing.

What makes it stop: a mapped field that the account does not have.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from emarsys_pipeline.settings import AccountSettings
from emarsys_pipeline.stages.identifiers import register_normalisers
from emarsys_pipeline.stages.mapped_contacts.current import derive_current
from emarsys_pipeline.stages.mapped_contacts.mapping import map_partition
from emarsys_pipeline.stages.progress import Progress, no_progress
from emarsys_pipeline.stages.raw_segment_exports.catalogue import stored_fields
from emarsys_pipeline.stages.raw_segment_exports.fields import EmarsysField
from emarsys_pipeline.warehouse import Warehouse, load_sql
from emarsys_pipeline.warehouse.columns import ensure_property_columns

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRebuilt:
    """What one rebuild did.

    Attributes:
        partitions: segments times windows that were mapped again.
        first_window: start of the oldest of these; None when nothing has landed.
        rows_read: the raw rows that were mapped.
        contacts: the account's current contacts.
        differing: those of them, or of the contacts before, whose row is not what it was.
    """

    account: str
    partitions: int
    first_window: datetime | None
    rows_read: int
    contacts: int
    differing: int


def rebuild_account(
    warehouse: Warehouse,
    account: AccountSettings,
    *,
    property_types: Mapping[str, str],
    run_id: str,
    progress: Progress = no_progress,
) -> AccountRebuilt:
    """Map the kept raw rows of all the account's segments again, in the order of windows.

    Args:
        warehouse: what is read and written, in one transaction.
        account: the mapping.
        property_types: the DuckDB type of every property that any account maps.
        run_id: who did it.
        progress: told of each partition.

    Raises:
        UnknownFieldError: a mapped field is not in the account.
        ColumnTypeError: a property's declared type is not that of its column.
    """
    of_account = {"account": account.name}
    with warehouse.write() as connection:
        ensure_property_columns(connection, property_types)
        register_normalisers(connection)
        connection.execute(
            "create or replace temp table current_before as select * from current_contacts"
            " where account = $account",
            of_account,
        )
        partitions: Sequence[tuple[str, datetime]] = connection.execute(
            load_sql(__package__, "kept_partitions.sql"), of_account
        ).fetchall()
        for table in ("mapped_contacts", "rejected_values"):
            connection.execute(load_sql(__package__, "forget_kept.sql", table=table), of_account)
        rows_read = erased = 0
        for done, (segment_id, window_start) in enumerate(partitions, start=1):
            mapped = map_partition(
                connection,
                account,
                {**of_account, "segment_id": segment_id, "window_start": window_start},
                _fields(connection, account.name, window_start),
                property_types=property_types,
                run_id=run_id,
            )
            rows_read += mapped.read
            erased += mapped.erased
            progress(f"{account.name}: mapping again", done, len(partitions))
        contacts, differing = _rebuild_current(connection, account.name)
    if erased:
        # Their rows had been landed; nothing of them may stay in the file.
        warehouse.rewrite()
    logger.info(
        "account %s: mapped %d partitions with %d rows again; %d of %d current contacts differ",
        *(account.name, len(partitions), rows_read, differing, contacts),
    )
    return AccountRebuilt(
        account=account.name,
        partitions=len(partitions),
        first_window=partitions[0][1] if partitions else None,
        rows_read=rows_read,
        contacts=contacts,
        differing=differing,
    )


def _fields(
    connection: duckdb.DuckDBPyConnection, account: str, window_start: datetime
) -> list[EmarsysField]:
    """The account's fields at that window, and those that it has got since.

    Of the latter the window's raw rows hold nothing, which is what mapping them gives.
    """
    fields = stored_fields(connection, account, window_start)
    known = {field.field_id for field in fields}
    newest = stored_fields(connection, account, datetime.max.replace(tzinfo=window_start.tzinfo))
    return [*fields, *(field for field in newest if field.field_id not in known)]


def _rebuild_current(connection: duckdb.DuckDBPyConnection, account: str) -> tuple[int, int]:
    """Derive current_contacts of the account anew; gives its rows, and how many differ."""
    of_account = {"account": account}
    connection.execute(
        "create or replace temp table touched_contacts as"
        " select distinct contact_id, false as is_newest from mapped_contacts"
        " where account = $account"
        " union select contact_id, false as is_newest from current_before",
        of_account,
    )
    derive_current(connection, account)
    ((contacts,),) = connection.execute(
        "select count(*) from current_contacts where account = $account", of_account
    ).fetchall()
    ((differing,),) = connection.execute(
        load_sql(__package__, "count_differing.sql"), of_account
    ).fetchall()
    return int(contacts), int(differing)
