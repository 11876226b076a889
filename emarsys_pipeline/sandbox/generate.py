"""Makes the account's contacts, segments and the messaging platform's contacts from a seed."""

from __future__ import annotations

import json
from datetime import datetime

import duckdb

from emarsys_pipeline.sandbox.contact_keys import email_hash
from emarsys_pipeline.sandbox.state import State, read_sql, utc_now

# Rows of the large segments lie far above those of ordinary contacts: neither disturbs the other.
FIRST_LARGE_ROW = 50_000_000
FIRST_CONTACT_ID = 700_001
EVERYONE = 0

NEWSLETTER, VIP, EMPTY, SINGLE, BUYERS, COMBINED, SLOW, LARGEST_ALLOWED, TOO_LARGE = range(
    100400101, 100400110
)

# (segment id, name, type, share of new contacts in percent, is slow, fixed size)
SEGMENTS = (
    (NEWSLETTER, "Newsletter readers", "standard", 60, False, None),
    (VIP, "VIP customers", "standard", 50, False, None),
    (EMPTY, "Dormant (empty)", "standard", 0, False, None),
    (SINGLE, "One contact", "standard", 0, False, None),
    (BUYERS, "Recent buyers", "relational", 10, False, None),
    (COMBINED, "Newsletter or VIP", "combined", 0, False, None),
    (SLOW, "Complex criteria (slow)", "standard", 20, True, None),
    (LARGEST_ALLOWED, "Half a million", "standard", 0, False, 500_000),
    (TOO_LARGE, "More than half a million", "ai", 0, False, 500_001),
)
COMBINED_DEFINITION = {
    "include": {"relation": "OR", "segment_ids": [str(NEWSLETTER), str(VIP)]},
    "exclude": {"relation": "OR", "segment_ids": []},
}
EVENTS = ((123, "order_paid"), (124, "cart_abandoned"))


def generate_account(state: State, *, contacts: int, seed: int) -> None:
    """Fill an empty account with ``contacts`` contacts; the same seed gives the same data."""
    with state.write() as connection:
        now = utc_now()
        _insert_segments(connection)
        insert_contacts(connection, seed=seed, first_row=0, last_row=contacts, moment=now)
        connection.execute(
            "insert into memberships select ?, id from contacts order by id limit 1", [SINGLE]
        )
        connection.execute(read_sql("generate_platform_strangers.sql"), [contacts // 50, seed, now])
        connection.executemany(
            "insert into events values (?, ?, ?)", [(*event, now) for event in EVENTS]
        )
    state.save_settings({"seed": seed, "contacts": contacts, "next_row": contacts, "step": 0})


def _insert_segments(connection: duckdb.DuckDBPyConnection) -> None:
    connection.executemany(
        "insert into segments values (?, ?, ?, ?, ?, ?, ?, null)",
        [
            (*segment, json.dumps(COMBINED_DEFINITION) if segment[0] == COMBINED else None)
            for segment in SEGMENTS
        ],
    )


def insert_contacts(
    connection: duckdb.DuckDBPyConnection,
    *,
    seed: int,
    first_row: int,
    last_row: int,
    moment: datetime,
) -> None:
    """Insert generated rows as contacts, members of segments and platform contacts."""
    connection.execute(
        "create or replace temp table generated as " + read_sql("generate_contacts.sql"),
        {"seed": seed, "first_row": first_row, "last_row": last_row},
    )
    connection.execute(
        "insert into contacts by name select * exclude (clean_email, clean_phone),"  # noqa: S608
        f" {email_hash('f_3')} as email_hash, ?::timestamp as created_at from generated",
        [moment],
    )
    if first_row < FIRST_LARGE_ROW:
        connection.execute(
            "insert into memberships select s.segment_id, g.id from generated as g, segments as s"
            " where hash(?, g.row_number, s.segment_id) % 100 < s.share_percent",
            [seed],
        )
        connection.execute(read_sql("generate_platform_contacts.sql"), [seed, moment])
    connection.execute("drop table temp.generated")


def ensure_members(state: State, segment_id: int) -> None:
    """Generate the contacts of a large segment the first time they are asked for."""
    with state.write() as connection:
        row = connection.execute(
            "select member_count from segments where segment_id = ?", [segment_id]
        ).fetchone()
        if row is None or row[0] is None:
            return
        held = connection.execute(
            "select count(*) from memberships where segment_id = ?", [segment_id]
        ).fetchone()
        if held is not None and held[0]:
            return
        last_row = FIRST_LARGE_ROW + row[0]
        present = connection.execute(
            "select coalesce(max(row_number) + 1, ?) from contacts where row_number >= ?",
            [FIRST_LARGE_ROW, FIRST_LARGE_ROW],
        ).fetchone()
        first_row = present[0] if present else FIRST_LARGE_ROW
        if first_row < last_row:
            insert_contacts(
                connection,
                seed=state.setting("seed"),
                first_row=first_row,
                last_row=last_row,
                moment=utc_now(),
            )
        connection.execute(
            "insert into memberships select ?, id from contacts"
            " where row_number >= ? and row_number < ?",
            [segment_id, FIRST_LARGE_ROW, last_row],
        )
