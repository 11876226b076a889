"""The analysts' views as assets, so that the graph ends where analysts begin.

No run makes them: they are part of ``analytics.duckdb``, which is replaced after each run that
commits.
"""

import dagster as dg

from emarsys_pipeline.defs.column_lineage import ColumnLineage
from emarsys_pipeline.settings import Settings
from emarsys_pipeline.warehouse.analysts_views import analysts_views

PREFIX = "analytics"
_PUBLISHED = "A view of `analytics.duckdb`, which is replaced after each run that commits."


def build_view_specs(settings: Settings, lineage: ColumnLineage) -> list[dg.AssetSpec]:
    """One asset per view, with the columns and comments that analysts see in the database."""
    return [
        dg.AssetSpec(
            dg.AssetKey([PREFIX, name]),
            deps=[dg.AssetKey(asset) for asset in lineage.tables_of(f"{PREFIX}/{name}")],
            description=f"{view.comment}.\n\n{_PUBLISHED}",
            group_name="analytics",
            kinds={"duckdb", "view"},
            tags={"layer": "published"},
            metadata={
                "try": f"emarsys-pipeline query 'from {name}'",
                "dagster/table_name": f"analytics.main.{name}",
                "dagster/column_schema": dg.TableSchema(
                    columns=[
                        dg.TableColumn(
                            name=column,
                            type=data_type.replace("timestamp with time zone", "timestamptz"),
                            description=comment + lineage.fields_behind(f"{PREFIX}/{name}", column),
                        )
                        for column, (data_type, comment) in view.columns.items()
                    ]
                ),
            },
        )
        for name, view in analysts_views(settings.property_types).items()
    ]
