"""Fields and choices of an account, stored as they were when a window was imported."""

from collections.abc import Sequence
from datetime import datetime

import duckdb
import pyarrow as pa

from emarsys_pipeline.emarsys import Choice, EmarsysClient
from emarsys_pipeline.settings import AccountSettings
from emarsys_pipeline.stages.raw_segment_exports.fields import (
    EMAIL_OPT_IN_FIELD_ID,
    EmarsysField,
    FieldPlan,
    plan_fields,
)
from emarsys_pipeline.warehouse import Warehouse, load_sql, overwrite_partition
from emarsys_pipeline.windows import Window

# Emarsys lists no choices for field 31; these are what exports and getdata write.
_EMAIL_OPT_IN_CHOICES = (("1", "True"), ("2", "False"))


def refresh_catalogue(
    warehouse: Warehouse, client: EmarsysClient, account: AccountSettings, window: Window
) -> FieldPlan:
    """Fetch the account's fields and the labels of the fetched choice fields, and store both.

    Raises:
        UnknownFieldError: a mapped field is not in the account; the fields are stored even so.
        EmarsysError: they could not be fetched.
    """
    fields = listed_fields(client, account)
    _store_fields(warehouse, account, window, fields)
    plan = plan_fields(account, fields)
    choices = [
        (field_id, choice.id, choice.label)
        for field_id, listed in _list_choices(client, account, plan).items()
        for choice in listed
    ]
    if EMAIL_OPT_IN_FIELD_ID in plan.field_ids:
        choices += [(EMAIL_OPT_IN_FIELD_ID, *choice) for choice in _EMAIL_OPT_IN_CHOICES]
    _store_choices(warehouse, account, window, choices)
    return plan


def listed_fields(client: EmarsysClient, account: AccountSettings) -> list[EmarsysField]:
    """The account's fields as Emarsys lists them now."""
    return [
        EmarsysField(
            field_id=field.id,
            name=field.name,
            string_id=field.string_id or None,
            application_type=field.application_type,
        )
        for field in client.list_fields(account.language)
    ]


def stored_fields(
    connection: duckdb.DuckDBPyConnection, account: str, window_start: datetime
) -> list[EmarsysField]:
    """The account's fields as the newest import at or before this window found them."""
    rows = connection.execute(
        load_sql(__package__, "stored_fields.sql"),
        {"account": account, "window_start": window_start},
    ).fetchall()
    return [
        EmarsysField(field_id=row[0], name=row[1], string_id=row[2], application_type=row[3])
        for row in rows
    ]


def _list_choices(
    client: EmarsysClient, account: AccountSettings, plan: FieldPlan
) -> dict[str, list[Choice]]:
    field_ids = plan.choice_field_ids
    return client.list_choices(field_ids, account.language) if field_ids else {}


def _store_fields(
    warehouse: Warehouse,
    account: AccountSettings,
    window: Window,
    fields: Sequence[EmarsysField],
) -> None:
    found = pa.table(
        {
            "field_id": pa.array([field.field_id for field in fields], pa.string()),
            "name": pa.array([field.name for field in fields], pa.string()),
            "string_id": pa.array([field.string_id for field in fields], pa.string()),
            "application_type": pa.array([field.application_type for field in fields], pa.string()),
        }
    )
    keys = {"account": account.name, "window_start": window.start}
    with warehouse.write() as connection:
        connection.register("found_fields", found)
        overwrite_partition(
            connection,
            "emarsys_fields",
            keys,
            "select $account as account, $window_start as window_start, * from found_fields",
            keys,
        )


def _store_choices(
    warehouse: Warehouse,
    account: AccountSettings,
    window: Window,
    choices: Sequence[tuple[str, str, str]],
) -> None:
    found = pa.table(
        {
            "field_id": pa.array([choice[0] for choice in choices], pa.string()),
            "choice_id": pa.array([choice[1] for choice in choices], pa.string()),
            "label": pa.array([choice[2] for choice in choices], pa.string()),
        }
    )
    keys = {"account": account.name, "window_start": window.start}
    with warehouse.write() as connection:
        connection.register("found_choices", found)
        overwrite_partition(
            connection,
            "emarsys_choices",
            keys,
            "select $account as account, $window_start as window_start, *,"
            " $language as language from found_choices",
            {**keys, "language": account.language},
        )
