"""An account whose exports are files at hand: an import of it can be measured without a server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from emarsys_pipeline.emarsys import Choice, ContactsFound, DownloadedExport, ExportStatus, Field
from emarsys_pipeline.emarsys.downloads import verify_csv
from emarsys_pipeline.settings import AccountSettings
from emarsys_pipeline.warehouse import load_sql
from emarsys_pipeline.windows import Window

START = datetime(2026, 3, 1, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(hours=12))

# Column, Emarsys field id and type, type of the property, how it identifies: as in import_load.sql.
COLUMNS = (
    ("first_name", "1", "shorttext", "varchar", None),
    ("last_name", "2", "shorttext", "varchar", None),
    ("email", "3", "longtext", "varchar", "email"),
    ("mobile", "37", "shorttext", "varchar", "phone"),
    ("country", "14", "singlechoice", "varchar", None),
    ("salutation", "46", "singlechoice", "varchar", None),
    ("birth_date", "4", "birthdate", "date", None),
    ("revenue", "901", "numeric", "double", None),
    ("orders", "902", "numeric", "bigint", None),
    ("ordered_on", "903", "date", "date", None),
    ("street", "10", "longtext", "varchar", None),
    ("city", "11", "shorttext", "varchar", None),
    ("zip", "13", "shorttext", "varchar", None),
    ("company", "18", "shorttext", "varchar", None),
    ("note", "904", "longtext", "varchar", None),
    ("loyalty_number", "905", "shorttext", "varchar", None),
    ("tier", "906", "shorttext", "varchar", None),
    ("origin", "907", "shorttext", "varchar", None),
    ("store", "908", "shorttext", "varchar", None),
    ("opt_in", "909", "shorttext", "varchar", None),
)
TYPES = {name: data_type for name, _, _, data_type, _ in COLUMNS}
CHOICES = {
    "14": [
        *(("65", "Germany"), ("10", "Austria"), ("168", "Switzerland"), ("61", "France")),
        *(("83", "Italy"), ("161", "Spain"), ("124", "Netherlands"), ("139", "Poland")),
        *(("17", "Belgium"), ("167", "Sweden")),
    ],
    "46": [("1", "Mr."), ("2", "Ms.")],
}
ACCOUNT = AccountSettings.model_validate(
    {
        "name": "shop",
        "connection": {"auth": "wsse", "username": "${USER_NAME}", "secret": "${SECRET}"},
        "default_region": "DE",
        "segments": ["1"],
        "opt_in": {"field": "909"},
        "fields": [
            {"emarsys": field_id, "as": name, **({"identifier": kind} if kind else {})}
            for name, field_id, _, _, kind in COLUMNS
        ],
    }
)


class FileAccount:
    """What the client gives when each segment's export is a file at hand; segments are numbers."""

    calls = 0

    def __init__(self, folder: Path, rows: int) -> None:
        self.folder = folder
        self.rows = rows

    def list_fields(self, *_: Any) -> list[Field]:
        """The twenty fields."""
        return [Field(each[1], each[0], each[0], each[2]) for each in COLUMNS]

    def list_choices(self, field_ids: Sequence[str], *_: Any) -> dict[str, list[Choice]]:
        """The choices of the choice fields."""
        return {each: [Choice(*choice) for choice in CHOICES[each]] for each in field_ids}

    def count_segment(self, _segment_id: str) -> int:
        """Every segment has as many."""
        return self.rows

    def segment_contact_ids(self, segment_id: str) -> Iterator[list[str]]:
        """Pages of a segment."""
        first = 1_000_000 + (int(segment_id) - 1) * self.rows
        for start in range(first, first + self.rows, 10_000):
            yield [str(each) for each in range(start, min(start + 10_000, first + self.rows))]

    def start_segment_export(self, segment_id: str, *_: Any, **__: Any) -> str:
        """The export has the id of its segment."""
        return segment_id

    def wait_for_export(self, export_id: str, **_: Any) -> ExportStatus:
        """It is done at once."""
        return ExportStatus(export_id, "done")

    def download_export(self, export_id: str, path: Path) -> DownloadedExport:
        """Verified as the client does."""
        path.hardlink_to(self.folder / f"{export_id}.csv")
        header, rows, line_end = verify_csv(path, export_id)
        return DownloadedExport(path, path.stat().st_size, header, rows, True, line_end)  # noqa: FBT003  # it has ids

    def get_contacts(self, *_: Any, **__: Any) -> ContactsFound:
        """Nothing is asked for that the export has not given."""
        return ContactsFound([], {})


def write_exports(folder: Path, rows: int, segments: int) -> dict[str, Any]:
    """Write the CSV files of segments, as Emarsys does; none of their contacts is in two."""
    with duckdb.connect() as connection:
        for number in range(segments):
            sql = load_sql(__package__, "import_load.sql")
            connection.sql(sql, params={"first": number * rows, "rows": rows}).write_csv(
                str(folder / f"{number + 1}.csv"), quotechar='"', quoting=1
            )
    return {}
