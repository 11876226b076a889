"""``docs/data_dictionary.md`` and ``contracts/analytics.json``, from the published copy itself."""

import json
import tempfile
from pathlib import Path

from emarsys_pipeline.warehouse import Warehouse

DECLARE = "python -m emarsys_pipeline_tests.docs.contract --declare"
HEADING = """# Data dictionary

The views of `analytics.duckdb`, as their comments describe them. `contacts` and `identities` have
one column more for each property that the settings map. Times are UTC. The names and types here
are a contract: `contracts/analytics.json` holds them, and a test fails when they change without
`{declare}`.

The same in SQL: `emarsys-pipeline query "select * from duckdb_columns() where not internal"`.
""".replace("{declare}", DECLARE)

Views = dict[str, tuple[str, list[tuple[str, str, str]]]]


def published_views() -> Views:
    """Each view's comment, and its columns: name, type, comment; of a deployment without data."""
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Warehouse(Path(folder))
        warehouse.migrate()
        with warehouse.read_published(schema="main") as connection:
            views = connection.execute(
                "select view_name, comment from duckdb_views()"
                " where not internal and schema_name = 'main' order by view_name"
            ).fetchall()
            columns = connection.execute(
                "select table_name, column_name, data_type, comment from duckdb_columns()"
                " where not internal and schema_name = 'main'"
                " order by table_name, column_index"
            ).fetchall()
    return {
        view: (comment, [tuple(row[1:]) for row in columns if row[0] == view])
        for view, comment in views
    }


def data_dictionary_page() -> str:
    """The whole page."""
    parts = [HEADING]
    for view, (comment, columns) in published_views().items():
        rows = [
            f"| `{name}` | {kind.lower()} | {about} |".replace("\\n", " ")
            for name, kind, about in columns
        ]
        table = "\n".join(["| column | type | meaning |", "| --- | --- | --- |", *rows])
        parts.append(f"## {view}\n\n{comment}.\n\n{table}\n")
    return "\n".join(parts)


def contract() -> str:
    """Names and types of all published columns, as JSON."""
    found = {
        view: {name: kind for name, kind, _ in columns}
        for view, (_, columns) in published_views().items()
    }
    return json.dumps(found, indent=2) + "\n"
