"""Every column of the warehouse is classified, and nothing is classified that is not there."""

from emarsys_pipeline.privacy.erase import unclassified
from emarsys_pipeline.privacy.holdings import HOLDINGS
from emarsys_pipeline.warehouse import Warehouse

# Tables of work that is not in every version of the schema yet.
COMING = {
    *("contact_upserts", "contact_upsert_pushes", "former_members"),
    *("automation_list_members", "automation_lists", "opt_in_replays", "stitched_identities"),
}


def test_every_column_is_classified(warehouse: Warehouse) -> None:
    """A new one: say in privacy/holdings.py whose it is, and which rows an erasure must remove."""
    with warehouse.read() as connection:
        assert unclassified(connection) == []


def test_a_table_that_nobody_classified_is_noticed(warehouse: Warehouse) -> None:
    with warehouse.write() as connection:
        connection.execute("create table notes (author varchar)")
        connection.execute("alter table opt_in_drift add column note varchar")
    with warehouse.read() as connection:
        assert unclassified(connection) == ["notes.author", "opt_in_drift.note"]


def test_every_classified_table_exists(warehouse: Warehouse) -> None:
    with warehouse.read() as connection:
        tables = {
            name
            for (name,) in connection.execute(
                "select table_name from duckdb_tables() where database_name = current_database()"
            ).fetchall()
        }
    assert set(HOLDINGS) - tables - COMING == set()


def test_a_table_with_keys_or_values_says_whose_rows_they_are() -> None:
    silent = [
        table
        for table, holding in HOLDINGS.items()
        if (holding.keys or holding.personal) and not holding.rows
    ]
    assert silent == ["automation_lists"]
