"""Puts raw partitions into a warehouse as an import would leave them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from emarsys_pipeline.settings import AccountSettings
from emarsys_pipeline.warehouse import Warehouse
from emarsys_pipeline.warehouse.columns import ensure_raw_field_columns
from emarsys_pipeline.windows import Window

FIRST = datetime(2026, 3, 1, tzinfo=UTC)
HALF_A_DAY = timedelta(hours=12)
SEGMENT = "100"

FIELDS = (
    ("1", "First Name", "first_name", "shorttext"),
    ("3", "Email", "email", "longtext"),
    ("4", "Date of Birth", "birth_date", "birthdate"),
    ("14", "Country or region", "country", "singlechoice"),
    ("37", "Mobile", "mobile", "shorttext"),
    ("46", "Salutation", "salutation", "singlechoice"),
    ("900", "Points", "points", "numeric"),
    ("901", "Colours", "colours", "multichoice"),
    ("902", "WhatsApp opt-in", "whatsapp_opt_in", "shorttext"),
)
CHOICES = (
    ("14", "10", "Austria"),
    ("14", "65", "Germany"),
    ("46", "1", "Mr."),
    ("46", "2", "Ms."),
    ("901", "2", "Red"),
    ("901", "10", "Blue"),
)


def window(number: int) -> Window:
    """The window with this number, the first being 0."""
    start = FIRST + number * HALF_A_DAY
    return Window(start, start + HALF_A_DAY)


def make_account(**changes: Any) -> AccountSettings:
    """An account that maps an address, a number and what the test adds."""
    return AccountSettings.model_validate(
        {
            "name": "shop",
            "connection": {"auth": "wsse", "username": "${USER_NAME}", "secret": "${SECRET}"},
            "default_region": "DE",
            "segments": [SEGMENT],
            "fields": [
                {"emarsys": "email", "as": "email", "identifier": "email"},
                {"emarsys": 37, "as": "mobile", "identifier": "phone"},
                {"emarsys": 1, "as": "first_name"},
            ],
            **changes,
        }
    )


def put_catalogue(warehouse: Warehouse, number: int = 0, *, account: str = "shop") -> None:
    """Store FIELDS and CHOICES as they were in a window."""
    with warehouse.write() as connection:
        for field in FIELDS:
            connection.execute(
                "insert into emarsys_fields values (?, ?, ?, ?, ?, ?)",
                [account, window(number).start, *field],
            )
        for choice in CHOICES:
            connection.execute(
                "insert into emarsys_choices values (?, ?, ?, ?, ?, 'en')",
                [account, window(number).start, *choice],
            )


def put_raw(
    warehouse: Warehouse,
    rows: Sequence[Mapping[str, Any]],
    number: int = 0,
    *,
    account: str = "shop",
    segment_id: str = SEGMENT,
) -> None:
    """Land raw rows; each has ``contact_id``, and by field id what Emarsys wrote.

    ``kind`` is member, ``dialect`` labels and ``requested_at`` the window's end unless given.
    """
    with warehouse.write() as connection:
        ensure_raw_field_columns(connection, [field[0] for field in FIELDS])
        connection.execute(
            "insert into segment_imports select ?, ?, ?, 'full', ?, ?, ?, ?, 0, 0, 0, [], 0, 0, 0,"
            " 'run'",
            [account, segment_id, *[window(number).start] * 3, len(rows), len(rows)],
        )
        for row in rows:
            values = {
                "account": account,
                "segment_id": segment_id,
                "window_start": window(number).start,
                "kind": "member",
                "dialect": "labels",
                "requested_at": window(number).end,
                **{f"field_{key}" if key.isdigit() else key: value for key, value in row.items()},
            }
            columns = ", ".join(values)
            connection.execute(
                f"insert into raw_segment_exports ({columns}) "  # noqa: S608  # names of ours
                f"values ({', '.join('?' * len(values))})",
                list(values.values()),
            )


def table(warehouse: Warehouse, query: str, **parameters: object) -> list[tuple[Any, ...]]:
    """The rows of a query with these ``$name`` parameters."""
    with warehouse.read() as connection:
        return connection.execute(query, parameters or None).fetchall()
