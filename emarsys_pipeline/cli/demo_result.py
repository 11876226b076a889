"""What the demo shows at its end: what arrived, and whether all of it did."""

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from emarsys_pipeline.settings import AccountSettings
from emarsys_pipeline.warehouse import Warehouse, load_sql


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """Counts over everything that the demo's home holds.

    ``missing_contacts`` are in Emarsys's segments and not in ours, or the other way round;
    ``drift`` counts contacts whose field in Emarsys is not what their person decided last.
    """

    contacts_imported: int
    contacts_changed: int
    contacts_left: int
    identities: int
    records_merged: int
    consent_decisions: int
    pushes_accepted: int
    pushes_open: int
    missing_contacts: int
    drift: int

    @property
    def is_complete(self) -> bool:
        """Whether everything arrived."""
        return (self.missing_contacts, self.drift, self.pushes_open) == (0, 0, 0)


def what_arrived(
    warehouse: Warehouse,
    account: AccountSettings,
    *,
    members: Mapping[str, list[str]],
    field_values: Mapping[str, str | None],
) -> Arrived:
    """Compare the published copy with what the sandbox holds.

    Args:
        warehouse: its published copy is read.
        account: the account of the demo, with its opt-in values.
        members: contact ids by segment, as Emarsys lists them.
        field_values: the opt-in field by contact id, as Emarsys holds it.
    """
    opt_in = account.opt_in
    if opt_in is None:
        raise ValueError("the demo needs an account with an opt-in field")
    segment_ids = [segment for segment, ids in members.items() for _ in ids]
    contact_ids = [contact for ids in members.values() for contact in ids]
    with warehouse.read_published() as connection:
        _register(connection, "emarsys_members", segment_id=segment_ids, contact_id=contact_ids)
        _register(
            connection,
            "emarsys_values",
            contact_id=list(field_values),
            value=list(field_values.values()),
        )
        rows = connection.execute(
            load_sql(__package__, "what_arrived.sql"),
            {
                "account": account.name,
                "channel": opt_in.channel.lower(),
                "granted_value": opt_in.granted,
                "withdrawn_value": opt_in.withdrawn,
            },
        ).fetchall()
    return Arrived(**dict(zip(Arrived.__slots__, rows[0], strict=True)))


def _register(
    connection: duckdb.DuckDBPyConnection, name: str, **columns: list[str] | list[str | None]
) -> None:
    connection.register(
        name,
        pa.table({column: pa.array(values, pa.string()) for column, values in columns.items()}),
    )
