"""Stage mapped_contacts: raw rows of one segment and window, named and typed as the settings say.

Reads: raw_segment_exports of the partition, the newest emarsys_fields and emarsys_choices at or
before the window, mapped_contacts of earlier windows of the segment. Never the clock, never
Emarsys. Writes: mapped_contacts and rejected_values of the partition; current_contacts and
opt_in_readings of the contacts in it.

One row per: contact that is new to the segment, changed in a mapped property, or gone from it.
Raw rows that say nothing new have no mapped row.

A second run: replaces the partition by the same rows.

What makes it stop: a partition that has not landed or whose raw rows are gone, or a mapped field
that the account did not have when it landed. A value that cannot be converted stops nothing: it is
kept with its reason.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import duckdb

from emarsys_pipeline.settings import AccountSettings
from emarsys_pipeline.stages.erased import drop_erased_contacts
from emarsys_pipeline.stages.identifiers import register_normalisers
from emarsys_pipeline.stages.mapped_contacts import properties as sql
from emarsys_pipeline.stages.mapped_contacts.current import update_current, update_readings
from emarsys_pipeline.stages.mapped_contacts.properties import Property
from emarsys_pipeline.stages.raw_segment_exports.catalogue import stored_fields
from emarsys_pipeline.stages.raw_segment_exports.errors import SegmentImportError
from emarsys_pipeline.stages.raw_segment_exports.fields import (
    COUNTRY_FIELD_ID,
    EmarsysField,
    resolve_mapping,
)
from emarsys_pipeline.stages.raw_segment_exports.pruning import raw_kept_from
from emarsys_pipeline.warehouse import Warehouse, load_sql, overwrite_partition, quote
from emarsys_pipeline.warehouse.columns import (
    RAW_FIELD_PREFIX,
    ensure_property_columns,
    raw_field_column,
)
from emarsys_pipeline.windows import KEY_FORMAT, Window

logger = logging.getLogger(__name__)

TOP_CHANGED_FIELDS = 10

MEMORY_LIMIT = "600MB"
"""What DuckDB may take to map a segment; what needs more goes to a file beside the warehouse.

The process itself needs about 300 MB, and a segment of 500,000 contacts shall stay under 1 GB.
"""

MAX_CARRIED = 50_000
"""Up to so many raw rows, their contacts' earlier mapped rows are read with all values at once.

Of more, most say nothing new: values are read in a second look, of those whose hash differs.
"""


class NotImportedError(SegmentImportError):
    """The partition has not landed, so there is nothing to map."""


class RawPrunedError(SegmentImportError):
    """The raw rows of the partition were removed, so it cannot be mapped again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactsMapped:
    """What one mapping did, in contacts: read = new + changed + left + unchanged.

    Attributes:
        rejected_values: values that could not be converted or normalised; their contacts live on.
        top_changed_fields: property to the number of contacts it changed for, most first.
        erased: contacts of erased people that came back, and were removed before all that.
    """

    read: int
    new: int
    changed: int
    left: int
    unchanged: int
    rejected_values: int
    top_changed_fields: dict[str, int]
    erased: int = 0


def map_segment(
    warehouse: Warehouse,
    account: AccountSettings,
    segment_id: str,
    window: Window,
    *,
    property_types: Mapping[str, str],
    run_id: str,
) -> ContactsMapped:
    """Map the stored raw rows of one segment and window.

    Args:
        warehouse: what is read and written, in one transaction.
        account: the mapping.
        segment_id: the segment.
        window: the window.
        property_types: the DuckDB type of every property that any account maps.
        run_id: who did it.

    Raises:
        NotImportedError: the partition has not landed.
        RawPrunedError: its raw rows are gone; what was mapped stays.
        UnknownFieldError: a mapped field is not in the account.
        ColumnTypeError: a property's declared type is not that of its column.
    """
    keys = {"account": account.name, "segment_id": segment_id, "window_start": window.start}
    with warehouse.write() as connection:
        connection.execute("set memory_limit = $limit", {"limit": MEMORY_LIMIT})
        _refuse_unless_landed(connection, keys)
        _refuse_pruned(connection, keys)
        ensure_property_columns(connection, property_types)
        register_normalisers(connection)
        fields = stored_fields(connection, account.name, window.start)
        outcome = map_partition(
            connection, account, keys, fields, property_types=property_types, run_id=run_id
        )
        update_current(connection, keys)
    if outcome.erased:
        # Their rows had been landed; nothing of them may stay in the file.
        warehouse.rewrite()
    logger.info(
        "account %s, segment %s, window %s: %d read, %d new, %d changed, %d left, %d rejected",
        *(account.name, segment_id, window.key, outcome.read, outcome.new, outcome.changed),
        *(outcome.left, outcome.rejected_values),
    )
    return outcome


def map_partition(
    connection: duckdb.DuckDBPyConnection,
    account: AccountSettings,
    keys: Mapping[str, object],
    fields: Sequence[EmarsysField],
    *,
    property_types: Mapping[str, str],
    run_id: str,
) -> ContactsMapped:
    """Map one partition in the caller's transaction; only current_contacts is left as it is.

    Leaves the temporary table touched_contacts of those whose current row may differ.

    Args:
        connection: a transaction in which the normalisers are registered.
        account: the mapping.
        keys: account, segment_id and window_start of the partition.
        fields: the account's fields at that window.
        property_types: the DuckDB type of every property that any account maps.
        run_id: who did it.

    Raises:
        UnknownFieldError: a mapped field is not among the fields.
    """
    raw_columns = _raw_columns(connection)
    mapped = [
        Property(
            mapped=item,
            data_type=property_types.get(item.mapping.property, "varchar"),
            has_raw=raw_field_column(item.field.field_id) in raw_columns,
        )
        for item in resolve_mapping(account, fields)
    ]
    by_name = sorted(mapped, key=lambda item: item.name)
    connection.execute("reset threads")
    _make_choices(connection, keys, mapped)
    _make_mapped_values(connection, keys, account, mapped, by_name, raw_columns)
    # With several threads DuckDB inserts batches, and packs the values of many of them twice.
    connection.execute("set threads = 1")
    erased = drop_erased_contacts(connection, keys)
    _make_operations(connection, keys, by_name)
    connection.execute(load_sql(__package__, "touched_contacts.sql"), dict(keys))
    _store_mapped_rows(connection, keys, by_name, run_id)
    rejected = _store_rejected_values(connection, keys, mapped)
    update_readings(connection, keys, account, fields, raw_columns)
    outcome = replace(_count(connection, rejected), erased=erased)
    # Their memory is needed for current_contacts.
    connection.execute("drop table mapped_values")
    connection.execute("drop table operations")
    return outcome


def _refuse_unless_landed(
    connection: duckdb.DuckDBPyConnection, keys: Mapping[str, object]
) -> None:
    landed = connection.execute(
        "select count(*) from segment_imports where account = $account"
        " and segment_id = $segment_id and window_start = $window_start",
        dict(keys),
    ).fetchall()
    if not landed[0][0]:
        raise NotImportedError(
            f"segment {keys['segment_id']} of account {keys['account']} has not landed in this "
            "window",
            "Import it first",
        )


def _refuse_pruned(connection: duckdb.DuckDBPyConnection, keys: Mapping[str, object]) -> None:
    kept_from = raw_kept_from(connection, str(keys["account"])).get(str(keys["segment_id"]))
    window_start = keys["window_start"]
    if kept_from is not None and isinstance(window_start, datetime) and window_start < kept_from:
        raise RawPrunedError(
            f"the raw rows of segment {keys['segment_id']} of account {keys['account']} are kept "
            f"from window {kept_from:{KEY_FORMAT}} on, and were removed of this one",
            "Nothing is lost: what was mapped of it stays as it is. To map older windows again in "
            "future, raise imports.keep_raw_windows",
        )


def _raw_columns(connection: duckdb.DuckDBPyConnection) -> set[str]:
    described = connection.execute("describe raw_segment_exports").fetchall()
    return {row[0] for row in described if row[0].startswith(RAW_FIELD_PREFIX)}


def _make_choices(
    connection: duckdb.DuckDBPyConnection,
    keys: Mapping[str, object],
    properties: Sequence[Property],
) -> None:
    connection.execute(load_sql(__package__, "country_regions.sql"))
    connection.execute(
        load_sql(__package__, "choices.sql"),
        {
            "account": keys["account"],
            "window_start": keys["window_start"],
            "country_field_id": COUNTRY_FIELD_ID,
        },
    )
    connection.execute(
        "create or replace temp table chosen_lists"
        " (field_id varchar, written varchar, choice_ids varchar[], labels varchar[])"
    )
    for item in properties:
        if item.mapped.field.is_multi_choice and item.has_raw:
            field_id = item.mapped.field.field_id
            connection.execute(
                load_sql(__package__, "chosen_lists.sql", column=quote(raw_field_column(field_id))),
                {**keys, "field_id": field_id},
            )


def _make_mapped_values(
    connection: duckdb.DuckDBPyConnection,
    keys: Mapping[str, object],
    account: AccountSettings,
    properties: Sequence[Property],
    by_name: Sequence[Property],
    raw_columns: set[str],
) -> None:
    country = raw_field_column(COUNTRY_FIELD_ID)
    region, country_join = sql.region_of_country(properties)
    identifiers = [item for item in properties if item.identifier is not None]
    connection.execute(
        load_sql(
            __package__,
            "mapped_values.sql",
            country=f"raw.{quote(country)}" if country in raw_columns else "null::varchar",
            region=region,
            written=sql.listed([item.written for item in properties]),
            kept=sql.listed(
                [f"written.{item.written_column}" for item in properties if item.can_be_refused]
            ),
            values=sql.listed([item.value for item in properties]),
            joins="\n    ".join([country_join, *(item.choice_join for item in properties)]),
            normalised=sql.listed([item.normalised for item in identifiers]),
            phone_numbers=_distinct(identifiers, "phone"),
            email_addresses=_distinct(identifiers, "email"),
            columns=", ".join(item.column for item in by_name),
        ),
        {**keys, "default_region": account.default_region},
    )


def _make_operations(
    connection: duckdb.DuckDBPyConnection,
    keys: Mapping[str, object],
    properties: Sequence[Property],
) -> None:
    ((read,),) = connection.execute("select count(*) from mapped_values").fetchall()
    carries = read <= MAX_CARRIED
    columns = ["phone_numbers", "email_addresses", *(item.column for item in properties)]
    connection.execute(
        load_sql(
            __package__,
            "operations.sql",
            changed_names=sql.changed_names(properties),
            carried=sql.listed(columns) if carries else "",
            old_rows="earlier" if carries else "whole_segment",
        ),
        dict(keys),
    )


def _distinct(identifiers: Sequence[Property], kind: str) -> str:
    return sql.distinct_list(
        [item.normalised_column for item in identifiers if item.identifier == kind]
    )


def _store_mapped_rows(
    connection: duckdb.DuckDBPyConnection,
    keys: Mapping[str, object],
    properties: Sequence[Property],
    run_id: str,
) -> None:
    values = sql.listed([f"mapped_values.{item.column}" for item in properties])
    overwrite_partition(
        connection,
        "mapped_contacts",
        keys,
        load_sql(__package__, "mapped_rows.sql", values=values),
        {**keys, "run_id": run_id},
    )


def _store_rejected_values(
    connection: duckdb.DuckDBPyConnection,
    keys: Mapping[str, object],
    properties: Sequence[Property],
) -> int:
    selects = []
    for item in properties:
        names = {
            "property": item.name,
            "field_id": item.mapped.field.field_id,
            "column": item.column,
        }
        if item.can_be_refused:
            selects.append(
                load_sql(
                    __package__,
                    "refused_values.sql",
                    written=item.written_column,
                    reason=item.refusal,
                    **names,
                )
            )
        if item.identifier is not None:
            arguments = f"{item.column}, region" if item.identifier == "phone" else item.column
            selects.append(
                load_sql(
                    __package__,
                    "refused_identifiers.sql",
                    normalised=item.normalised_column,
                    reason=f"{item.identifier}_rejection({arguments})",
                    **names,
                )
            )
    return overwrite_partition(
        connection, "rejected_values", keys, "\nunion all\n".join(selects), keys
    )


def _count(connection: duckdb.DuckDBPyConnection, rejected: int) -> ContactsMapped:
    read = connection.execute("select count(*) from mapped_values").fetchall()[0][0]
    by_operation = dict(
        connection.execute(
            "select operation, count(*) from operations group by operation"
        ).fetchall()
    )
    top = connection.execute(
        "select name, count(*) as contacts from (select unnest(changed_fields) as name"
        " from operations) group by name order by contacts desc, name limit $limit",
        {"limit": TOP_CHANGED_FIELDS},
    ).fetchall()
    return ContactsMapped(
        read=read,
        new=by_operation.get("new", 0),
        changed=by_operation.get("changed", 0),
        left=by_operation.get("left", 0),
        unchanged=read - sum(by_operation.values()),
        rejected_values=rejected,
        top_changed_fields=dict(top),
    )
