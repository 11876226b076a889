"""Who is in a segment, and the values of contacts by getdata."""

import itertools
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from emarsys_pipeline.emarsys.errors import PermissionMissingError
from emarsys_pipeline.stages.raw_segment_exports.errors import TooManyContactsError
from emarsys_pipeline.stages.raw_segment_exports.run import AccountRun, Tally
from emarsys_pipeline.stages.raw_segment_exports.scratch import Scratch, write_contacts

logger = logging.getLogger(__name__)

CONTACTS_PER_CALL = 1000
"""Emarsys's limit on getdata."""

CALLS_AT_ONCE = 4
"""Getdata calls of one segment that are under way together; the rate limit bounds them further."""


def count_members(run: AccountRun, tally: Tally, segment_id: str) -> int | None:
    """Emarsys's own count; None without the permission to ask for it."""
    tally.note(api_calls=1)
    try:
        with run.member_lists:
            tally.counted = run.client.count_segment(segment_id)
    except PermissionMissingError:
        return None
    return tally.counted


def refuse_too_many(run: AccountRun, segment_id: str, contacts: int) -> None:
    """Stop when a segment is above the limit.

    Raises:
        TooManyContactsError: it is.
    """
    limit = run.imports.max_contacts_per_segment
    if contacts > limit:
        raise TooManyContactsError(
            f"segment {segment_id} of account {run.account.name} has {contacts:,} contacts, and "
            f"the limit is {limit:,}; nothing was exported",
            "Split it into smaller segments in Emarsys and name those in the settings",
        )


def load_members(run: AccountRun, tally: Tally, scratch: Scratch, segment_id: str) -> int:
    """Make the table ``members`` of the segment's contact ids; returns how many there are.

    Raises:
        TooManyContactsError: the segment is above the limit.
    """

    def pages() -> Iterator[list[str]]:
        total = 0
        for page in run.client.segment_contact_ids(segment_id):
            tally.note(api_calls=1)
            total += len(page)
            refuse_too_many(run, segment_id, total)
            yield page

    with run.member_lists:
        return scratch.put_ids("members", pages())


def fetch_contacts(
    run: AccountRun,
    tally: Tally,
    scratch: Scratch,
    table: str,
    contact_ids: Sequence[str],
    field_ids: Sequence[str],
) -> int:
    """Make a table of these contacts' fields by getdata; contacts that are gone are left out.

    Returns:
        The number of contacts found.
    """
    parts = [
        contact_ids[start : start + CONTACTS_PER_CALL]
        for start in range(0, len(contact_ids), CONTACTS_PER_CALL)
    ]
    done = itertools.count(1)

    def fetch(number: int) -> Path:
        found = run.client.get_contacts(parts[number], key_field="id", fields=field_ids)
        tally.note(api_calls=1)
        path = scratch.folder / f"{table}-{number:06d}.json"
        write_contacts(path, found.contacts)
        run.progress(f"{run.account.name}: reading contacts", next(done), len(parts))
        return path

    with ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix="getdata") as pool:
        files = list(pool.map(fetch, range(len(parts))))
    return scratch.load_contacts(table, files, field_ids)
