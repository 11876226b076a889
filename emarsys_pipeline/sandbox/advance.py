"""Lets time pass in the account and on the messaging platform.

The server's clock stays the real one: what happens is dated now. The amount of change follows the
duration: in twelve hours about 2 % of the contacts are edited and 0.5 % join or leave a segment.
"""

from __future__ import annotations

import re
from datetime import timedelta
from math import ceil
from typing import Any

from emarsys_pipeline.sandbox.contact_writes import record_changes
from emarsys_pipeline.sandbox.generate import FIRST_CONTACT_ID, insert_contacts
from emarsys_pipeline.sandbox.platform import choose_contacts, decide
from emarsys_pipeline.sandbox.state import State, read_sql, utc_now

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_DURATION = re.compile(r"(\d+)\s*([mhd])")
_HALF_DAY = timedelta(hours=12)
_EDITED, _IMPORTED, _MOVED, _CREATED, _DECIDED = 0.02, 0.003, 0.005, 0.002, 0.01
# Of ten people who decide: six grant, three withdraw, one denies.
_DECISIONS = (("granted", 6), ("withdrawn", 3), ("denied", 1))


def parse_duration(text: str) -> timedelta:
    """Read a duration such as ``12h``, ``30m`` or ``2d``.

    Raises:
        ValueError: it is written in another way.
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"not a duration: {text!r}; write for example 12h, 30m or 2d")
    return timedelta(**{_UNITS[found.group(2)]: int(found.group(1))})


def advance(state: State, duration: timedelta) -> dict[str, Any]:
    """Let a duration pass; return how much of what happened."""
    seed, step = int(state.setting("seed")), int(state.setting("step")) + 1
    halves = duration / _HALF_DAY
    first_row = int(state.setting("next_row"))
    total = state.scalar("select count(*) from contacts where row_number < 50000000")
    created = ceil(total * _CREATED * halves)
    moment = utc_now()
    with state.write() as connection:
        for name, value in (
            ("seed", seed),
            ("step", step),
            ("edits", ceil(total * _EDITED * halves)),
            ("silent", ceil(total * _IMPORTED * halves)),
            ("fraction", _MOVED * halves),
        ):
            connection.execute(f"set variable {name} = ?", [value])
        connection.execute("set variable moment = ?::timestamp", [moment])
        connection.execute(read_sql("advance.sql"))
        counts = {
            name: connection.execute(f"select count(*) from {name}").fetchall()[0][0]  # noqa: S608
            for name in ("edited", "imported", "joining", "leaving")
        }
        insert_contacts(
            connection, seed=seed, first_row=first_row, last_row=first_row + created, moment=moment
        )
        new_ids = range(FIRST_CONTACT_ID + first_row, FIRST_CONTACT_ID + first_row + created)
        record_changes(connection, dict.fromkeys(new_ids, "0"), origin="form")
    state.save_settings({"step": step, "next_row": first_row + created})
    state.evaluations.asked.clear()
    return {
        "edited": counts["edited"],
        "imported_silently": counts["imported"],
        "joined": counts["joining"],
        "left": counts["leaving"],
        "created": created,
        "decisions": _let_people_decide(state, halves),
    }


def _let_people_decide(state: State, halves: float) -> int:
    people = state.scalar("select count(*) from platform_contacts")
    chosen = choose_contacts(state, ceil(people * _DECIDED * halves))
    parts = sum(weight for _, weight in _DECISIONS)
    start = 0
    for place, (status, weight) in enumerate(_DECISIONS):
        is_last = place == len(_DECISIONS) - 1
        end = (
            len(chosen) if is_last else min(start + ceil(len(chosen) * weight / parts), len(chosen))
        )
        if chosen[start:end]:
            decide(state, chosen[start:end], status)
        start = end
    return len(chosen)
