"""Golden records: one row of best values per identity, and who gave each value."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import duckdb

from emarsys_pipeline.settings import GoldenRecordSettings, PropertyRule
from emarsys_pipeline.warehouse import load_sql, quote

# Properties that the messaging side knows as well, by the name that it is mapped under.
PLATFORM_PROPERTIES = ("first_name", "last_name")


class GoldenSources(NamedTuple):
    """Names of tables: the members of identities, now and before, and their values."""

    members: str
    present_members: str
    contacts: str
    platform_records: str


EVERYTHING = GoldenSources(
    "identity_members", "identity_members", "current_contacts", "platform_records"
)
_TEMPORARY = ("golden_candidates", "golden_held", "golden_members", "touched")


def write_golden_records(
    connection: duckdb.DuckDBPyConnection,
    window_start: datetime,
    property_types: Mapping[str, str],
    *,
    rules: GoldenRecordSettings,
    rebuild: bool,
    sources: GoldenSources,
) -> None:
    """Write ``identities`` for those whose members or member values changed in the window.

    Per property the first non-empty value wins in the order of its rule. By priority: source,
    members of a segment before others, the newest change; by newest: the newest change, source,
    members of a segment before others. Ties go to source, account and contact id. A contact's
    change is the window that last changed any of its mapped values. For identities of several
    contacts, ``identity_property_sources`` tells whose value won.

    Args:
        connection: an open transaction; identity_members is current.
        window_start: the newest stitched window.
        property_types: the DuckDB type of each property.
        rules: which contact's value wins.
        rebuild: write all identities anew instead of those that the window touched, which
            changed_records and changed_members tell.
        sources: the tables that have the touched identities, or all.
    """
    at_window = {"window_start": window_start}
    ((is_first,),) = connection.execute("select count(*) <= 1 from identity_stitches").fetchall()
    if rebuild:
        every = "first_identities.sql" if is_first else "all_identities.sql"
        connection.execute(load_sql(__package__, every), at_window)
        connection.execute("delete from identities")
        connection.execute("delete from identity_property_sources")
    else:
        connection.execute(
            load_sql(
                __package__, "touched_identities.sql", present_members=sources.present_members
            ),
            at_window,
        )
        touched = "where identity_id in (select identity_id from touched)"
        connection.execute(f"delete from identities {touched}")  # noqa: S608 - of this function
        connection.execute(
            f"delete from identity_property_sources {touched}"  # noqa: S608 - of this function
        )
    # Of a few identities the members and their values are looked up once; of all they are as long
    # as the tables that they come from, and stay there.
    view_or_table = "view" if rebuild else "table"
    connection.execute(
        load_sql(
            __package__,
            "golden_members.sql",
            view_or_table=view_or_table,
            members=sources.members,
            is_several="touched.is_several"
            if rebuild
            else "count(*) over (partition by members.identity_id) > 1",
        )
    )
    names = sorted(property_types)
    connection.execute(
        load_sql(
            __package__,
            "golden_held.sql",
            view_or_table=view_or_table,
            contacts=sources.contacts,
            platform_records=sources.platform_records,
            emarsys_values="".join(f", contacts.{quote(name)}" for name in names),
            platform_values="".join(
                f", {_platform_value(name)}::{property_types[name]} as {quote(name)}"
                for name in names
            ),
        )
    )
    connection.execute(
        load_sql(
            __package__, "golden_alone.sql", values="".join(f", {quote(name)}" for name in names)
        )
    )
    _write_several(connection, names, rules)
    for name in _TEMPORARY:
        kind = view_or_table if name in ("golden_held", "golden_members") else "table"
        connection.execute(" ".join(["drop", kind, f"temp.{name}"]))


def _write_several(
    connection: duckdb.DuckDBPyConnection, names: Sequence[str], rules: GoldenRecordSettings
) -> None:
    rule_of = {name: rules.rule_for(name) for name in names}
    distinct = list(dict.fromkeys(rule_of.values()))
    preference = {name: f"_preference_{distinct.index(rule_of[name])}" for name in names}
    orders = [_order(rule, position) for position, rule in enumerate(distinct)]
    sources: dict[str, Any] = {
        f"sources_{position}": list(rule.sources) for position, rule in enumerate(distinct)
    }
    connection.execute(
        load_sql(
            __package__,
            "golden_candidates.sql",
            preferences="".join(
                f", row_number() over (partition by identity_id order by {order})"
                f" as _preference_{position}"
                for position, order in enumerate(orders)
            ),
        ),
        sources,
    )
    connection.execute(
        load_sql(
            __package__,
            "golden_records.sql",
            best_values="".join(
                f", arg_min({quote(name)}, {preference[name]}) as {quote(name)}" for name in names
            ),
        )
    )
    if names:
        winners = ", ".join(_winner(name, preference[name]) for name in names)
        connection.execute(load_sql(__package__, "golden_sources.sql", winners=winners))


def _order(rule: PropertyRule, position: int) -> str:
    # An account's own name goes before the word for all accounts; what is not named comes last.
    places = [
        f"nullif(list_position($sources_{position}, {column}), 0)"
        for column in ("account", "_source")
    ]
    source = f"coalesce({', '.join(places)}, {len(rule.sources) + 1})"
    newest = "window_start desc"
    chosen = {
        "priority": (source, "is_member desc", newest),
        "newest": (newest, source, "is_member desc"),
    }[rule.rule]
    return ", ".join([*chosen, "_source", "account", "contact_id"])


def _winner(name: str, preference: str) -> str:
    literal = "'" + name.replace("'", "''") + "'"
    contact = (
        "struct_pack(source := _source, account := account, contact_id := contact_id,"
        " window_start := window_start)"
    )
    return (
        f"struct_pack(property := {literal}, contact := arg_min({contact}, {preference})"
        f" filter ({quote(name)} is not null))"
    )


def _platform_value(name: str) -> str:
    return f"messages.{quote(name)}" if name in PLATFORM_PROPERTIES else "null"
