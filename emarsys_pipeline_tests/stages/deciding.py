"""Accounts, contacts and decisions in a warehouse, as imports and stitching leave them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from emarsys_pipeline.settings import AccountSettings, StitchingSettings
from emarsys_pipeline.stages.opt_in_deltas import OptInDeltasDerived, derive_opt_in_deltas
from emarsys_pipeline.stages.stitched_identities import stitch_identities
from emarsys_pipeline.warehouse import Warehouse
from emarsys_pipeline_tests.builders import window
from emarsys_pipeline_tests.stages import landed_rows

FIELD = "10500"
PHONE, OTHER_PHONE = "+4915100000001", "+4915100000002"
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def make_account(name: str = "shop_de", **opt_in: Any) -> AccountSettings:
    """An account that keeps consent in ``FIELD``."""
    return landed_rows.make_account(name=name, opt_in={"field": FIELD, **opt_in})


ACCOUNT = make_account()


def add_field(
    warehouse: Warehouse,
    field_id: str = FIELD,
    *,
    account: str = "shop_de",
    name: str = "WhatsApp opt-in",
    string_id: str | None = "whatsapp_opt_in",
    application_type: str = "shorttext",
    number: int = 0,
) -> None:
    """A field of an account, as the import of a window found it."""
    with warehouse.write() as connection:
        connection.execute(
            "insert into emarsys_fields values (?, ?, ?, ?, ?, ?)",
            [account, window(number).start, field_id, name, string_id, application_type],
        )


def put_readings(
    warehouse: Warehouse,
    values: Mapping[str, str | None],
    requested_at: datetime,
    *,
    account: str = "shop_de",
    field_id: str = FIELD,
) -> None:
    """The opt-in field of contacts as it was read at a moment, in place of earlier readings."""
    with warehouse.write() as connection:
        for contact_id, value in values.items():
            connection.execute(
                "delete from opt_in_readings where account = ? and contact_id = ?",
                [account, contact_id],
            )
            connection.execute(
                "insert into opt_in_readings values (?, ?, ?, ?, ?, ?)",
                [account, contact_id, window(0).start, field_id, value, requested_at],
            )


def settle(warehouse: Warehouse, outcome: str, settled_at: datetime) -> None:
    """Give all deltas that were never sent this outcome."""
    with warehouse.write() as connection:
        connection.execute(
            "insert into opt_in_pushes by name select window_start, account, 'batch' as batch_id,"
            " delta_id, contact_id, field_id, new_value as value, 1 as attempt, $outcome as"
            " outcome, false as is_retryable, $at::timestamptz as intended_at,"
            " $at::timestamptz as settled_at, 'run' as run_id"
            " from opt_in_deliveries where outcome = 'pending'",
            {"outcome": outcome, "at": settled_at},
        )


def stitch(warehouse: Warehouse, number: int = 0) -> None:
    """Stitch a window."""
    stitch_identities(
        warehouse, window(number), stitching=StitchingSettings(), property_types={}, run_id="run"
    )


def derive(
    warehouse: Warehouse,
    number: int = 1,
    *accounts: AccountSettings,
    minute: int = 0,
) -> OptInDeltasDerived:
    """Derive the deltas that are missing, some minutes after ``NOW``."""
    return derive_opt_in_deltas(
        warehouse,
        window(number),
        accounts=accounts or [ACCOUNT],
        run_id="run",
        now=lambda: NOW + timedelta(minutes=minute),
    )


def rows(warehouse: Warehouse, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    with warehouse.read() as connection:
        return connection.execute(query).fetchall()


def deltas(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    """All deltas in the order derived: account, contact, old value, new value, reason, event."""
    return rows(
        warehouse,
        "select account, contact_id, old_value, new_value, reason, event_id from opt_in_deltas"
        " order by derived_at, account, contact_id",
    )
