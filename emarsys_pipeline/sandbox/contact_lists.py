"""Contact lists: who is on them, and adding to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from emarsys_pipeline.sandbox.state import State, next_id, utc_now

_FIRST_LIST_ID = 9001


def list_exists(state: State, list_id: Any) -> bool:
    """Return whether there is a contact list with this id."""
    text = str(list_id)
    if not text.isascii() or not text.isdigit() or int(text) >= 2**62:
        return False
    query = "select count(*) from contact_lists where contact_list_id = ?"
    return bool(state.scalar(query, [int(text)]))


def create_list(state: State, name: str, description: str = "") -> int:
    """Create an empty list and return its id."""
    with state.write() as connection:
        list_id = next_id(connection, "contact_lists", "contact_list_id", _FIRST_LIST_ID)
        connection.execute(
            "insert into contact_lists values (?, ?, ?, ?, 0)",
            [list_id, name, description, utc_now()],
        )
    return list_id


def add_members(state: State, list_id: int, contact_ids: Sequence[int]) -> int:
    """Put contacts on a list; return how many were not on it before."""
    with state.write() as connection:
        row = connection.execute(
            "insert into contact_list_members"
            " select distinct $list, id from (select unnest($ids::bigint[]) as id) where id not in"
            " (select contact_id from contact_list_members where contact_list_id = $list)",
            {"list": list_id, "ids": list(contact_ids)},
        ).fetchone()
    return int(row[0]) if row else 0


def add_members_of_query(state: State, list_id: int, query: str) -> int:
    """Put the contacts that a query selects as ``contact_id`` on a list; return how many."""
    with state.write() as connection:
        row = connection.execute(
            f"insert into contact_list_members select ?, contact_id from ({query})",  # noqa: S608
            [list_id],
        ).fetchone()
    return int(row[0]) if row else 0


def remove_members(state: State, list_id: int, contact_ids: Sequence[int] | None) -> int:
    """Take contacts off a list (None: all of them); return how many were on it."""
    with state.write() as connection:
        condition = (
            "" if contact_ids is None else " and contact_id in (select unnest($ids::bigint[]))"
        )
        parameters: dict[str, Any] = {"list": list_id}
        if contact_ids is not None:
            parameters["ids"] = list(contact_ids)
        row = connection.execute(
            f"delete from contact_list_members where contact_list_id = $list{condition}",  # noqa: S608
            parameters,
        ).fetchone()
    return int(row[0]) if row else 0
