"""A warehouse with a population of contacts of both sides, as mapping and ingestion leave it."""

from datetime import datetime
from pathlib import Path

from benchmarks.stitching.window import FIRST
from emarsys_pipeline.warehouse import Warehouse, load_sql
from emarsys_pipeline.warehouse.columns import ensure_property_columns

PROPERTY_TYPES = dict.fromkeys(
    ("first_name", "last_name", "city", "country", "salutation"), "varchar"
)


def open_warehouse(folder: Path) -> Warehouse:
    """The warehouse of a folder; it is never published."""
    return Warehouse(folder, publish_interval_seconds=10**9)


def add_population(folder: Path, contacts: int) -> None:
    """Make a warehouse of so many contacts, known since the first window."""
    warehouse = open_warehouse(folder)
    warehouse.migrate()
    times: dict[str, datetime] = {"start": FIRST.start, "end": FIRST.end}
    with warehouse.write() as connection:
        ensure_property_columns(connection, PROPERTY_TYPES)
        connection.execute(load_sql(__package__, "contacts.sql"), {"first": 0, "last": contacts})
        connection.execute(load_sql(__package__, "mapped_contacts.sql"), times)
        connection.execute(load_sql(__package__, "current_contacts.sql"))
        connection.execute(load_sql(__package__, "platform_contacts.sql"), times)
        connection.execute("drop table temp.contacts")
