"""Key fields: how a contact is named that Emarsys does not know by its id.

A contact may have been deleted in Emarsys, or merged into another, since it was imported. Its
person is then written by a mapped identifier: e-mail fields first, then phone fields, each in the
order of the settings.
"""

from dataclasses import dataclass
from typing import Literal

import duckdb

from emarsys_pipeline.settings import AccountSettings
from emarsys_pipeline.stages.opt_in_deltas import find_field
from emarsys_pipeline.warehouse import load_sql, quote


@dataclass(frozen=True, slots=True)
class KeyField:
    """A mapped field that identifies people: its id, our column, and what it holds."""

    field_id: str
    property: str
    kind: Literal["email", "phone"]


def key_fields(
    connection: duckdb.DuckDBPyConnection, account: AccountSettings
) -> tuple[KeyField, ...]:
    """The account's key fields in order of preference; those it does not have are left out."""
    found = []
    for kind in ("email", "phone"):
        for mapping in account.fields:
            if mapping.identifier == kind:
                field = find_field(connection, account.name, mapping.emarsys)
                if field.field_id is not None:
                    found.append(KeyField(field.field_id, mapping.property, mapping.identifier))
    return tuple(found)


def make_contact_keys(
    connection: duckdb.DuckDBPyConnection, account: AccountSettings, contact_ids_query: str
) -> None:
    """Fill the temporary table contact_keys: contact_id, preference, key_field_id, key_value.

    Args:
        connection: an open transaction.
        account: whose contacts.
        contact_ids_query: a fixed query of the contact ids that keys are wanted of.
    """
    connection.execute(" ".join(["create or replace temp table wanted_keys as", contact_ids_query]))
    connection.execute(
        "create or replace temp table contact_keys"
        " (contact_id varchar, preference integer, key_field_id varchar, key_value varchar)"
    )
    for preference, key in enumerate(key_fields(connection, account)):
        connection.execute(
            load_sql(__package__, "contact_keys.sql", property=quote(key.property)),
            {
                "account": account.name,
                "preference": preference,
                "key_field_id": key.field_id,
                "kind": key.kind,
            },
        )
