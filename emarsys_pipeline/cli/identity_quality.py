"""How right identities are, where the persons are known: on the sandbox's account."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from emarsys_pipeline.warehouse import load_sql


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityQuality:
    """Identities against persons, in pairs of contacts.

    ``merged_pairs`` are in one identity, ``true_pairs`` are one person, ``right_pairs`` are both.
    """

    contacts: int
    identities: int
    persons: int
    largest: int
    right_pairs: int
    merged_pairs: int
    true_pairs: int

    @property
    def precision(self) -> float:
        """The share of merged pairs that are one person; 1 when nothing was merged."""
        return self.right_pairs / self.merged_pairs if self.merged_pairs else 1.0

    @property
    def recall(self) -> float:
        """The share of the pairs of one person that were merged; 1 when there are none."""
        return self.right_pairs / self.true_pairs if self.true_pairs else 1.0


def add_true_persons(
    connection: duckdb.DuckDBPyConnection, account: str, persons: Sequence[Mapping[str, Any]]
) -> None:
    """Make the temporary table ``true_persons``: source, account, contact_id, person.

    Args:
        connection: a connection to either database of the warehouse.
        account: the account that the sandbox stands for.
        persons: what the sandbox tells: each person's contact_ids and platform_contact_ids.
    """
    rows = [
        (source, name, contact_id, person["person"])
        for person in persons
        for source, name, ids in (
            ("emarsys", account, person["contact_ids"]),
            ("platform", "", person["platform_contact_ids"]),
        )
        for contact_id in ids or ()
    ]
    names = ("source", "account", "contact_id", "person")
    types = (pa.string(), pa.string(), pa.string(), pa.int64())
    table = pa.table(
        {
            name: pa.array([row[position] for row in rows], kind)
            for position, (name, kind) in enumerate(zip(names, types, strict=True))
        }
    )
    connection.register("told_persons", table)
    connection.execute("create or replace temp table true_persons as from told_persons")
    connection.unregister("told_persons")


def measure_quality(connection: duckdb.DuckDBPyConnection) -> IdentityQuality:
    """Compare the table or view ``judged_identities`` with ``true_persons``."""
    rows = connection.execute(load_sql(__package__, "identity_quality.sql")).fetchall()
    return IdentityQuality(**dict(zip(IdentityQuality.__slots__, rows[0], strict=True)))
