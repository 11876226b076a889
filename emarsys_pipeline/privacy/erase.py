"""Erases a person from everything that the home holds, for good.

The only operation that rewrites the consent ledger. Steps, each of which may be repeated: the
request is recorded; the warehouse is changed in one transaction, tombstones first; the inbox is
cleaned; what the warehouse stores is written anew; other files are cleaned; a search finds
nothing; the request is removed. Killed at any step, it is finished by the next erasure or by
``resume``.

What stays: the rows of the ledger, about nobody; salted members, so that identity ids stay; keyed
hashes, so that the person does not come back; and how many rows went, by place.
"""

import logging
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import duckdb

from emarsys_pipeline.clock import Clock, utc_now
from emarsys_pipeline.privacy.files import clean_files, redactor
from emarsys_pipeline.privacy.holdings import FIRST, HOLDINGS, MEMBER_ID
from emarsys_pipeline.privacy.messages import messages_about
from emarsys_pipeline.privacy.requests import (
    ErasureRequest,
    close_request,
    open_requests,
    record_request,
)
from emarsys_pipeline.privacy.search import Finding, search_home
from emarsys_pipeline.privacy.subject import (
    PersonNotFoundError,
    Subject,
    find_subject,
    load_subject,
)
from emarsys_pipeline.settings import Settings
from emarsys_pipeline.storage import has_inbox, open_inbox
from emarsys_pipeline.warehouse import Warehouse, load_sql, quote

logger = logging.getLogger(__name__)

REQUESTS = "erasures"


class UnclassifiedError(Exception):
    """The warehouse has a column that nobody has classified, so an erasure could miss it."""


class LeftoverError(Exception):
    """The search after an erasure found something; ``findings`` says where."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__(
            "the person is still found in "
            + "; ".join(f"{each.file} ({each.place}: {each.rows})" for each in findings)
            + ": end what is writing there, and run the erasure again"
        )
        self.findings = list(findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What one erasure removed: rows by place; ``found_before`` is what the search found first."""

    erasure_id: str
    identity_ids: tuple[str, ...]
    contacts: int
    shared_identifiers: int
    removed: dict[str, int] = field(default_factory=dict)
    found_before: list[Finding] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """The places of one installation."""

    warehouse: Warehouse
    settings: Settings

    @property
    def requests(self) -> Path:
        """The folder of erasures that have begun."""
        return self.settings.home / REQUESTS

    @property
    def regions(self) -> list[str]:
        """ISO countries of phone numbers without a country code."""
        return sorted({account.default_region for account in self.settings.accounts})

    @property
    def folders(self) -> list[Path]:
        """Where files may hold personal data: the home, and hand-over folders outside it."""
        home = self.settings.home
        handed_over = self.settings.messaging.hand_over
        folders = [] if handed_over is None else [home / handed_over.folder]
        return [home, *(folder for folder in folders if not folder.is_relative_to(home))]

    def databases(self) -> list[Path]:
        """Files with a way of their own to be cleaned, or without personal data."""
        return [
            *self.warehouse.own_files,
            self.settings.inbox_path,
        ]


def look_up(home: Home, name: str) -> Subject:
    """Everything that belongs to the person of this name, without changing anything.

    Raises:
        PersonNotFoundError: nobody goes by this name, or several people do.
    """
    with home.warehouse.read() as connection:
        subject = find_subject(connection, name, regions=home.regions)
        if has_inbox(home.settings):
            with open_inbox(home.settings) as inbox:
                about = messages_about(connection, inbox, regions=home.regions)
            subject = replace(
                subject,
                event_ids=tuple(sorted({*subject.event_ids, *about.event_ids})),
                written=tuple(sorted({*subject.written, *about.written})),
            )
    is_known = bool(subject.contacts or subject.event_ids)
    # A number that no table holds may still stand in an unreadable message or in a log.
    if not is_known and not (subject.texts and search_for(home, subject)):
        raise PersonNotFoundError(
            "nobody goes by this name: give an identity id, a contact id of either side, a phone "
            "number with its country code, or an e-mail address"
        )
    return subject


def search_for(home: Home, subject: Subject, *, skipped: Sequence[Path] = ()) -> list[Finding]:
    """Where the person is found in all that is held."""
    return search_everything(
        home, subject.texts, subject.ids, skipped=[*skipped, *home.requests.glob("*")]
    )


def search_everything(
    home: Home, texts: Sequence[str], ids: Sequence[str], *, skipped: Sequence[Path] = ()
) -> list[Finding]:
    """Where texts (in lower case) and ids are found: warehouse, inbox, and all files."""
    findings = search_home(
        home.warehouse,
        home.settings.home,
        texts=texts,
        ids=ids,
        folders=[folder for folder in home.folders if folder != home.settings.home],
        skipped=skipped,
    )
    if has_inbox(home.settings):
        with open_inbox(home.settings) as inbox:
            found = inbox.rows_holding(texts, ids)
        findings += [Finding("inbox", table, rows) for table, rows in found.items()]
    return sorted(findings)


def erase(home: Home, subject: Subject, *, now: Clock = utc_now) -> Erased:
    """Erase a person whom :func:`look_up` found, after finishing erasures that were cut off.

    Raises:
        UnclassifiedError: a column of the warehouse is not classified.
        LeftoverError: the search at the end found something.
    """
    resume(home, now=now)
    request = record_request(home.requests, uuid.uuid4().hex, subject, now())
    return _carry_out(home, request, now)


def resume(home: Home, *, now: Clock = utc_now) -> list[Erased]:
    """Finish the erasures that were cut off."""
    return [_carry_out(home, request, now) for request in open_requests(home.requests)]


def _carry_out(home: Home, request: ErasureRequest, now: Clock) -> Erased:
    found_before = search_for(home, request.subject)
    removed: dict[str, int] = {}
    # No value of the person may be on its way to Emarsys meanwhile.
    with ExitStack() as pushes:
        for account in home.settings.accounts:
            pushes.enter_context(home.warehouse.push_lock(account.name))
        for step in STEPS:
            for place, rows in step(home, request, now()).items():
                removed[place] = removed.get(place, 0) + rows
    findings = search_for(home, request.subject)
    if findings:
        raise LeftoverError(findings)
    _finish(home, request, now())
    close_request(request)
    logger.info("erasure %s: %d rows in %d places", request.erasure_id, *_sums(removed))
    return Erased(
        erasure_id=request.erasure_id,
        identity_ids=request.subject.identity_ids,
        contacts=len(request.subject.contacts),
        shared_identifiers=request.subject.shared,
        removed=removed,
        found_before=found_before,
    )


def _sums(removed: dict[str, int]) -> tuple[int, int]:
    return sum(removed.values()), len(removed)


def erase_rows(home: Home, request: ErasureRequest, now: datetime) -> dict[str, int]:
    """Change the warehouse in one transaction: tombstones, salted members, then the rows."""
    home.warehouse.make_salt()
    removed: dict[str, int] = {}
    with home.warehouse.write() as connection:
        load_subject(connection, request.subject)
        _add_tombstones(connection, now)
        connection.execute(load_sql(__package__, "erased_members.sql", member_id=MEMBER_ID))
        for table in _classified_tables(connection):
            holding = HOLDINGS[table]
            if not holding.rows:
                continue
            target = quote(table)
            if holding.cleared:
                present = _columns(connection, table)
                values = ", ".join(
                    f"{quote(column)} = {expression}"
                    for column, expression in holding.cleared.items()
                    if column in present
                )
                if not values:
                    continue
                statement = f"update {target} set {values} where {holding.rows}"  # noqa: S608
            else:
                statement = f"delete from {target} where {holding.rows}"  # noqa: S608 - of ours
            ((rows,),) = connection.execute(statement).fetchall()
            if rows:
                removed[table] = rows
        _record(connection, request, removed)
    return removed


def clean_inbox(home: Home, request: ErasureRequest, _now: datetime) -> dict[str, int]:
    """Delete the person's messages, and take the person out of other people's."""
    if not has_inbox(home.settings):
        return {}
    with open_inbox(home.settings) as inbox:
        with home.warehouse.read() as connection:
            load_subject(connection, request.subject)
            about = messages_about(connection, inbox, regions=home.regions)
        sequences = [each for part in about.sequences.values() for each in part]
        inbox.forget(sequences)
        texts = request.subject.texts
        changed, poison = inbox.redact(texts, redactor(texts))
        inbox.compact()
    counts = {"inbox: messages": len(sequences) + changed, "inbox: unreadable bodies": poison}
    return {place: rows for place, rows in counts.items() if rows}


def rewrite_databases(home: Home, _request: ErasureRequest, _now: datetime) -> dict[str, int]:
    """Write the warehouse and the analysts' copy anew."""
    home.warehouse.rewrite()
    return {}


def clean_other_files(home: Home, request: ErasureRequest, _now: datetime) -> dict[str, int]:
    """Clean hand-overs, downloads, logs and Dagster's own databases."""
    cleaned = clean_files(
        home.warehouse,
        home.folders,
        texts=request.subject.texts,
        ids=request.subject.ids,
        skipped=[*home.databases(), *home.requests.glob("*")],
    )
    return {f"file: {name}": rows for name, rows in cleaned.items()}


Step = Callable[[Home, ErasureRequest, datetime], dict[str, int]]
STEPS: list[Step] = [erase_rows, clean_inbox, rewrite_databases, clean_other_files]


def unclassified(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Columns of the warehouse that the holdings do not classify, as ``table.column``."""
    rows = connection.execute(
        "select table_name, column_name from duckdb_columns() where not internal"
        " and database_name = current_database() and schema_name = 'main' and table_oid in ("
        " select tables.table_oid from duckdb_tables() as tables"
        " where tables.database_name = current_database()) order by all"
    ).fetchall()
    return [
        f"{table}.{column}"
        for table, column in rows
        if table not in HOLDINGS or HOLDINGS[table].class_of(column) is None
    ]


def _classified_tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    unknown = unclassified(connection)
    if unknown:
        raise UnclassifiedError(
            f"nobody has said whether {', '.join(unknown[:5])} hold personal data: classify them "
            "in emarsys_pipeline/privacy/holdings.py; nothing was erased"
        )
    rows = connection.execute(
        "select table_name from duckdb_tables() where database_name = current_database()"
        " and schema_name = 'main' order by table_name"
    ).fetchall()
    names = [name for (name,) in rows]
    return [*(name for name in FIRST if name in names), *(n for n in names if n not in FIRST)]


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> set[str]:
    rows = connection.execute(
        "select column_name from duckdb_columns() where table_name = $table"
        " and database_name = current_database()",
        {"table": table},
    ).fetchall()
    return {name for (name,) in rows}


def _add_tombstones(connection: duckdb.DuckDBPyConnection, now: datetime) -> None:
    connection.execute(load_sql(__package__, "tombstones.sql"), {"erased_at": now})


def _record(
    connection: duckdb.DuckDBPyConnection, request: ErasureRequest, removed: dict[str, int]
) -> None:
    for place, rows in removed.items():
        connection.execute(
            "insert into erasures by name select $erasure_id as erasure_id,"
            " $requested_at::timestamptz as requested_at, null::timestamptz as finished_at,"
            " $place as place, $rows as rows_removed",
            {
                "erasure_id": request.erasure_id,
                "requested_at": request.requested_at,
                "place": place,
                "rows": rows,
            },
        )


def _finish(home: Home, request: ErasureRequest, now: datetime) -> None:
    with home.warehouse.write() as connection:
        connection.execute(
            "update erasures set finished_at = $now::timestamptz where erasure_id = $erasure_id",
            {"now": now, "erasure_id": request.erasure_id},
        )
