"""The columns of the imported tables with the Emarsys fields behind them, as the account has them.

Known only once an account's fields have been fetched, so they are told with each materialization;
the asset's own metadata holds what the settings alone tell.
"""

from collections.abc import Mapping

import dagster as dg

from emarsys_pipeline.defs.summaries import Metadata
from emarsys_pipeline.defs.table_schemas import table_columns
from emarsys_pipeline.settings import Settings
from emarsys_pipeline.stages.raw_segment_exports import SegmentImportError
from emarsys_pipeline.stages.raw_segment_exports.catalogue import stored_fields
from emarsys_pipeline.stages.raw_segment_exports.fields import (
    COUNTRY_FIELD_ID,
    EmarsysField,
    MappedField,
    plan_fields,
    resolve_mapping,
)
from emarsys_pipeline.warehouse import Warehouse
from emarsys_pipeline.warehouse.columns import raw_field_column
from emarsys_pipeline.windows import Window

RAW = "raw_segment_exports"
MAPPED = "mapped_contacts"

# What mapped rows take over from raw ones as it is.
_TAKEN_OVER = ("account", "segment_id", "window_start", "contact_id", "requested_at")

_LISTS = {"phone": "phone_numbers", "email": "email_addresses"}


def column_metadata(
    warehouse: Warehouse, settings: Settings, window: Window
) -> dict[str, Metadata]:
    """Column schemas of both assets and the lineage between them, as of a window.

    An account whose fields were never fetched, or whose mapping does not fit them, is left out.
    """
    fetched: dict[str, dict[str, str]] = {}
    mapped: dict[str, list[tuple[str, MappedField]]] = {}
    with warehouse.read() as connection:
        for account in settings.accounts:
            fields = stored_fields(connection, account.name, window.start)
            try:
                plan = plan_fields(account, fields)
                mapping = resolve_mapping(account, fields)
            except SegmentImportError:
                continue
            for field in plan.fields:
                fetched.setdefault(field.field_id, {})[account.name] = _named(field)
            for item in mapping:
                mapped.setdefault(item.mapping.property, []).append((account.name, item))
    return {
        RAW: {"dagster/column_schema": _raw_schema(fetched)},
        MAPPED: {
            "dagster/column_schema": _mapped_schema(settings, mapped),
            "dagster/column_lineage": _mapped_lineage(mapped),
        },
    }


def _named(field: EmarsysField) -> str:
    string_id = f" ({field.string_id})" if field.string_id else ""
    return f'field {field.field_id} "{field.name}"{string_id}, {field.application_type}'


def _raw_schema(fetched: Mapping[str, Mapping[str, str]]) -> dg.TableSchema:
    columns = table_columns(RAW)
    for field_id, names in sorted(fetched.items(), key=lambda each: int(each[0])):
        told = "; ".join(f"{name} of {account}" for account, name in names.items())
        columns.append(
            dg.TableColumn(
                name=raw_field_column(field_id),
                type="varchar",
                description=f"As Emarsys wrote it: {told}",
            )
        )
    return dg.TableSchema(columns=columns)


def _mapped_schema(
    settings: Settings, mapped: Mapping[str, list[tuple[str, MappedField]]]
) -> dg.TableSchema:
    columns = table_columns(MAPPED)
    for name, data_type in sorted(settings.property_types.items()):
        sources = [
            f"{_named(item.field)} of {account}"
            + (f", identifies by {item.mapping.identifier}" if item.mapping.identifier else "")
            for account, item in mapped.get(name, [])
        ]
        told = f"Emarsys {'; '.join(sources)}" if sources else "Not imported yet"
        columns.append(dg.TableColumn(name=name, type=data_type, description=told))
    return dg.TableSchema(columns=columns)


def _mapped_lineage(
    mapped: Mapping[str, list[tuple[str, MappedField]]],
) -> dg.TableColumnLineage:
    sources: dict[str, set[str]] = {name: {name} for name in _TAKEN_OVER}
    for name, items in mapped.items():
        for _, item in items:
            column = raw_field_column(item.field.field_id)
            kind = item.mapping.identifier
            for target in (name, *((_LISTS[kind],) if kind else ())):
                sources.setdefault(target, set()).add(column)
            if kind == "phone":
                # Numbers without a country code belong to the contact's country.
                sources["phone_numbers"].add(raw_field_column(COUNTRY_FIELD_ID))
    sources["row_hash"] = {
        column for name, columns in sources.items() if name not in _TAKEN_OVER for column in columns
    }
    return dg.TableColumnLineage(
        deps_by_column={
            name: [
                dg.TableColumnDep(asset_key=dg.AssetKey(RAW), column_name=column)
                for column in sorted(columns)
            ]
            for name, columns in sources.items()
        }
    )
