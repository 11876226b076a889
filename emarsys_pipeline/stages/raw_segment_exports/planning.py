"""What the next import of an account would do and cost, without doing it.

Reads: the Emarsys API (fields, segments, counts, member lists; no export is started), and the
published copy, so that nobody waits. Writes: nothing.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import duckdb

from emarsys_pipeline.clock import Clock, utc_now
from emarsys_pipeline.emarsys import EmarsysClient
from emarsys_pipeline.emarsys.errors import EmarsysError
from emarsys_pipeline.settings import AccountSettings, ImportSettings
from emarsys_pipeline.stages.progress import Progress, no_progress
from emarsys_pipeline.stages.raw_segment_exports.catalogue import listed_fields
from emarsys_pipeline.stages.raw_segment_exports.errors import SegmentImportError
from emarsys_pipeline.stages.raw_segment_exports.fields import (
    FieldPlan,
    plan_fields,
    resolve_mapping,
)
from emarsys_pipeline.stages.raw_segment_exports.forecast import (
    CALLS_OF_AN_EXPORT,
    CALLS_PER_MINUTE,
    Cost,
    forecast_changes,
    forecast_full,
)
from emarsys_pipeline.stages.raw_segment_exports.history import SegmentHistory, history_in
from emarsys_pipeline.stages.raw_segment_exports.landing import stored_imports
from emarsys_pipeline.stages.raw_segment_exports.members import (
    count_members,
    load_members,
    refuse_too_many,
)
from emarsys_pipeline.stages.raw_segment_exports.plausibility import refuse_shrunken
from emarsys_pipeline.stages.raw_segment_exports.run import AccountRun, Tally
from emarsys_pipeline.stages.raw_segment_exports.scratch import Scratch
from emarsys_pipeline.stages.raw_segment_exports.segments import resolve_segments
from emarsys_pipeline.warehouse import Warehouse, load_sql, quote
from emarsys_pipeline.warehouse.columns import property_columns
from emarsys_pipeline.windows import Window, WindowGrid

SECONDS_PER_DAY = 24 * 60 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldForecast:
    """One mapped field.

    Attributes:
        fetched_by: export, or getdata for what an export cannot hold.
        is_new: whether no stored contact has a value of it, though contacts are stored.
    """

    property: str
    field_id: str
    name: str | None
    fetched_by: str
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentForecast:
    """One segment in the window that it is imported for next.

    Attributes:
        mode: full, changes, or refused.
        reason: why that mode.
        contacts: members now; None when that could not be found out.
        stored: members as the last import left them.
        new: members now that are not stored.
        left: stored members that are no longer in it.
        api_calls: requests to expect.
        minutes: to expect, by itself.
        rows: raw rows to expect.
        problem: what would keep it from landing, and what to do.
    """

    segment_id: str
    name: str
    window: str
    mode: str
    reason: str
    contacts: int | None = None
    stored: int = 0
    new: int | None = None
    left: int | None = None
    api_calls: int = 0
    minutes: float = 0.0
    rows: int = 0
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountForecast:
    """The next import of an account: what its segments share, and each of them."""

    account: str
    shared_api_calls: int = 0
    problem: str | None = None
    fields: tuple[FieldForecast, ...] = ()
    segments: tuple[SegmentForecast, ...] = ()

    @property
    def api_calls(self) -> int:
        """All requests to expect."""
        return self.shared_api_calls + sum(segment.api_calls for segment in self.segments)

    @property
    def has_problem(self) -> bool:
        """Whether something would not land."""
        return self.problem is not None or any(segment.problem for segment in self.segments)

    def as_dict(self) -> dict[str, object]:
        """All of it, for JSON."""
        return {**asdict(self), "api_calls": self.api_calls}


@dataclass(frozen=True, slots=True)
class _Stored:
    """What is known of the account without asking Emarsys."""

    landed: frozenset[str] = frozenset()
    histories: Mapping[str, SegmentHistory] = field(default_factory=dict)
    costs: Mapping[tuple[str, str], tuple[Cost, int]] = field(default_factory=dict)
    members: Mapping[str, Path] = field(default_factory=dict)
    empty_properties: frozenset[str] = frozenset()


def forecast_account(
    warehouse: Warehouse,
    client: EmarsysClient,
    account: AccountSettings,
    grid: WindowGrid,
    *,
    imports: ImportSettings,
    progress: Progress = no_progress,
    now: Clock = utc_now,
) -> AccountForecast:
    """Find out what the next import of each configured segment would do.

    Args:
        warehouse: its published copy is read, if there is one.
        client: a client of this account.
        account: what would be imported.
        grid: the windows.
        imports: limits and tolerances.
        progress: told of each segment.
        now: the time in UTC.
    """
    try:
        fields = listed_fields(client, account)
        plan = plan_fields(account, fields)
        mapped = resolve_mapping(account, fields)
        segments = resolve_segments(client, account)
    except (EmarsysError, SegmentImportError) as error:
        return AccountForecast(account=account.name, problem=str(error))
    newest = grid.newest_closed(now()) or grid.at(grid.start)
    with tempfile.TemporaryDirectory(prefix="emarsys-plan-") as name:
        folder = Path(name)
        stored = _read_stored(warehouse, account, list(segments), newest, folder)
        run = AccountRun(
            warehouse=warehouse,
            client=client,
            account=account,
            window=newest,
            imports=imports,
            downloads=folder,
            run_id="plan",
            in_full=False,
            progress=progress,
            now=now,
            plan=plan,
        )
        forecasts = []
        for done, (segment_id, segment_name) in enumerate(segments.items(), start=1):
            window = grid.at(newest.end) if segment_id in stored.landed else newest
            forecasts.append(_forecast(run, segment_id, segment_name, window, stored, folder))
            progress(f"{account.name}: looking at segments", done, len(segments))
    takes_changes = any(each.mode == "changes" for each in forecasts)
    takes_any = any(each.mode != "refused" for each in forecasts)
    return AccountForecast(
        account=account.name,
        shared_api_calls=takes_any * (1 + bool(plan.choice_field_ids))
        + takes_changes * CALLS_OF_AN_EXPORT,
        fields=tuple(
            FieldForecast(
                property=item.mapping.property,
                field_id=item.field.field_id,
                name=item.field.name,
                fetched_by="export" if item.field.field_id in plan.exported_ids else "getdata",
                is_new=item.mapping.property in stored.empty_properties,
            )
            for item in mapped
        ),
        segments=tuple(forecasts),
    )


def _forecast(
    run: AccountRun, segment_id: str, name: str, window: Window, stored: _Stored, folder: Path
) -> SegmentForecast:
    history = stored.histories.get(segment_id, SegmentHistory())
    mode, reason = _mode(run.plan, history, window, run.imports)
    forecast = SegmentForecast(
        segment_id=segment_id, name=name, window=window.key, mode=mode, reason=reason
    )
    scratch = Scratch(folder)
    contacts = None
    try:
        if segment_id in stored.members:
            scratch.connection.execute(
                "create table previous as from read_parquet($path)",
                {"path": str(stored.members[segment_id])},
            )
        else:
            scratch.put_ids("previous", [])
        tally = Tally(run.now())
        contacts = count_members(run, tally, segment_id)
        if contacts is not None:
            refuse_too_many(run, segment_id, contacts)
        contacts = load_members(run, tally, scratch, segment_id)
        refuse_shrunken(run, segment_id, contacts, scratch.count("previous"))
        new = scratch.count_missing("members", "previous")
        left = scratch.count_missing("previous", "members")
        cost, changed = _cost(run, segment_id, mode, contacts, new, stored)
    except (EmarsysError, SegmentImportError) as error:
        return replace(
            forecast,
            mode="refused",
            reason="see problem",
            contacts=contacts,
            stored=scratch.count("previous"),
            problem=str(error),
        )
    else:
        return replace(
            forecast,
            contacts=contacts,
            stored=scratch.count("previous"),
            new=new,
            left=left,
            api_calls=cost.api_calls,
            minutes=round(cost.seconds / 60, 2),
            rows=contacts + left if mode == "full" else new + left + changed,
        )
    finally:
        scratch.close()


def _mode(
    plan: FieldPlan, history: SegmentHistory, window: Window, imports: ImportSettings
) -> tuple[str, str]:
    """How the segment will be imported, and why."""
    if history.last_full is None:
        return "full", "its first import"
    days = (window.start - history.last_full).total_seconds() / SECONDS_PER_DAY
    if history.is_full_due(window, imports.reconcile_every_days):
        return "full", f"the last full import is {days:g} days back"
    if not plan.exported:
        return "full", "its fields cannot be exported"
    return "changes", f"a full import follows {imports.reconcile_every_days - days:g} days later"


def _cost(
    run: AccountRun, segment_id: str, mode: str, contacts: int, new: int, stored: _Stored
) -> tuple[Cost, int]:
    """The cost of one segment, and how many of its contacts may have changed."""
    limit = run.client.rate_limit
    calls_per_minute = (limit and limit.limit) or CALLS_PER_MINUTE
    known = stored.costs.get((segment_id, mode))
    if mode == "full":
        others = [cost for (_, of_mode), (cost, _) in stored.costs.items() if of_mode == "full"]
        last = known[0] if known else next(iter(others), None)
        return forecast_full(contacts, last, calls_per_minute=calls_per_minute), 0
    changed = known[1] if known else 0
    cost = forecast_changes(
        contacts,
        new,
        changed,
        known[0] if known else None,
        has_looked_up=bool(run.plan.looked_up),
        calls_per_minute=calls_per_minute,
    )
    return cost, changed


def _read_stored(
    warehouse: Warehouse,
    account: AccountSettings,
    segment_ids: list[str],
    window: Window,
    folder: Path,
) -> _Stored:
    """Read the published copy; members go to files, one per segment."""
    if not warehouse.is_published:
        return _Stored()
    with warehouse.read_published() as connection:
        landed = stored_imports(connection, account.name, segment_ids, window)
        # Of those that have landed, the window is history too.
        after = Window(window.end, window.end)
        costs = connection.execute(
            load_sql(__package__, "last_costs.sql"), {"account": account.name}
        ).fetchall()
        members = {}
        for segment_id in segment_ids:
            members[segment_id] = folder / f"stored-{segment_id}.parquet"
            connection.sql(
                load_sql(__package__, "stored_members.sql"),
                params={"account": account.name, "segment_id": segment_id},
            ).write_parquet(str(members[segment_id]))
        return _Stored(
            landed=frozenset(landed),
            histories={
                **history_in(connection, account.name, segment_ids, window),
                **history_in(connection, account.name, list(landed), after),
            },
            costs={
                (row[0], row[1]): (Cost(members=row[2], api_calls=row[4], seconds=row[5]), row[3])
                for row in costs
            },
            members=members,
            empty_properties=_empty_properties(connection, account),
        )


def _empty_properties(
    connection: duckdb.DuckDBPyConnection, account: AccountSettings
) -> frozenset[str]:
    """The mapped properties of which no stored contact has a value; none while none is stored."""
    names = [item.property for item in account.fields]
    columns = set(property_columns(connection))
    present = [name for name in names if name in columns]
    sql = load_sql(
        __package__,
        "valued_properties.sql",
        counts="".join(f", count({quote(name)})" for name in present),
    )
    ((contacts, *filled),) = connection.execute(sql, {"account": account.name}).fetchall()
    if not contacts:
        return frozenset()
    valued = {name for name, count in zip(present, filled, strict=True) if count}
    return frozenset(names) - valued
