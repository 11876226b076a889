"""Where one segment's delivery is put together before it is written: a database in memory.

The warehouse is locked only to write the finished rows, never while Emarsys is being asked. The
files here hold personal data; the folder is emptied when the block ends, however it ends.
"""

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from emarsys_pipeline.stages.raw_segment_exports.errors import WrongDeliveryError
from emarsys_pipeline.stages.raw_segment_exports.exports import ExportedFile
from emarsys_pipeline.stages.raw_segment_exports.fields import EmarsysField
from emarsys_pipeline.stages.raw_segment_exports.history import (
    SegmentHistory,
    write_previous_members,
    write_replaced_rows,
)
from emarsys_pipeline.stages.raw_segment_exports.run import AccountRun
from emarsys_pipeline.warehouse import load_sql, quote
from emarsys_pipeline.warehouse.columns import raw_field_column

USER_ID = "user_id"


@contextmanager
def scratch_folder(downloads: Path, name: str) -> Iterator[Path]:
    """An empty folder that is gone when the block ends."""
    folder = downloads / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Scratch:
    """Tables of one delivery, in memory; spills to its folder when there is too little."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.connection = duckdb.connect(
            config={
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "memory_limit": "512MB",
                "temp_directory": str(folder / "spill"),
            }
        )
        self.connection.execute("set TimeZone = 'UTC'")

    def close(self) -> None:
        """Forget everything."""
        self.connection.close()

    def run(self, name: str, parameters: Mapping[str, object] | None = None, **parts: str) -> None:
        """Run a file of SQL of this stage."""
        self.connection.execute(load_sql(__package__, name, **parts), dict(parameters or {}))

    def count(self, table: str) -> int:
        """The number of rows of a table."""
        rows = self.connection.execute(f"from {quote(table)} select count(*)").fetchall()
        return int(rows[0][0])

    def count_missing(self, table: str, other: str) -> int:
        """The number of contacts of a table that are not in another one."""
        rows = self.connection.execute(
            f"from {quote(table)} anti join {quote(other)} using (contact_id) select count(*)"
        ).fetchall()
        return int(rows[0][0])

    def ids(self, table: str) -> list[str]:
        """The contact ids of a table, sorted."""
        rows = self.connection.execute(
            f"from {quote(table)} select contact_id order by contact_id"
        ).fetchall()
        return [row[0] for row in rows]

    def put_ids(self, table: str, pages: Iterable[Sequence[str]]) -> int:
        """Make a table of distinct contact ids; returns how many there are."""
        self.connection.execute(
            f"create or replace table {quote(table)} (contact_id varchar not null)"
        )
        for page in pages:
            found = pa.table({"contact_id": pa.array(list(page), pa.string())})
            self.connection.register("page_of_ids", found)
            self.connection.execute(
                f"insert into {quote(table)} select contact_id from page_of_ids"  # noqa: S608  # quoted
            )
            self.connection.unregister("page_of_ids")
        self.connection.execute(
            f"create or replace table {quote(table)} as from {quote(table)}"
            " select distinct contact_id"
        )
        return self.count(table)

    def load_previous(self, run: AccountRun, segment_id: str, history: SegmentHistory) -> None:
        """Make the table ``previous`` of the contact ids before this window."""
        path = self.folder / "previous.parquet"
        write_previous_members(
            run.warehouse, run.account.name, segment_id, run.window, history, path
        )
        self.connection.execute(
            "create or replace table previous as from read_parquet($path)", {"path": str(path)}
        )

    def load_replaced(self, run: AccountRun, segment_id: str) -> None:
        """Make the table ``replaced`` of the rows with values that the partition holds so far."""
        path = self.folder / "replaced.parquet"
        write_replaced_rows(run.warehouse, run.account.name, segment_id, run.window, path)
        self.connection.execute(
            "create or replace table replaced as from read_parquet($path)", {"path": str(path)}
        )

    def load_export(self, table: str, file: ExportedFile, fields: Sequence[EmarsysField]) -> int:
        """Load a CSV file as text, empty cells as null; returns its number of rows.

        Raises:
            WrongDeliveryError: the columns are not those that were asked for, in that order.
        """
        rows = exported_rows(file, fields)
        self.connection.execute(f"create or replace table {quote(table)} as {rows}")
        self._refuse_repeated_header(table, _columns_of(file, fields), file)
        return self.count(table)

    def load_contact_ids(
        self, table: str, file: ExportedFile, fields: Sequence[EmarsysField]
    ) -> int:
        """Load only the contact ids of a CSV file that has them; returns its number of rows.

        Raises:
            WrongDeliveryError: the columns are not those that were asked for, in that order.
        """
        rows = exported_rows(file, fields)
        self.connection.execute(
            f"create or replace table {quote(table)} as select {USER_ID} from ({rows})"  # noqa: S608  # quoted
        )
        labels = self.connection.execute(
            f"from {quote(table)} select count(*) where {USER_ID} = $label",
            {"label": file.header[0].lstrip("\ufeff")},
        ).fetchall()
        if labels[0][0]:
            # Only then can the header be among the rows, and the other columns are worth a look.
            self.load_export("suspicious", file, fields)
        return self.count(table)

    def load_contacts(self, table: str, files: Sequence[Path], field_ids: Sequence[str]) -> int:
        """Load contacts as getdata gave them, lists joined by commas; returns how many."""
        names = ["id", *field_ids]
        declared = ", ".join(f"'{name}': 'json'" for name in names)
        values = ", ".join(
            f"text_of_value({quote(field_id)}) as {quote(raw_field_column(field_id))}"
            for field_id in field_ids
        )
        self.run("text_of_value.sql")
        if not files:
            empty = ", ".join(
                f"{quote(raw_field_column(field_id))} varchar" for field_id in field_ids
            )
            self.connection.execute(
                f"create or replace table {quote(table)} (contact_id varchar, {empty})"
                if empty
                else f"create or replace table {quote(table)} (contact_id varchar)"
            )
            return 0
        self.run(
            "load_contacts.sql",
            {"paths": [str(path) for path in files]},
            table=quote(table),
            columns=declared,
            values=values + "," if values else "",
        )
        return self.count(table)

    def write_parquet(self, name: str, select: str, parameters: Mapping[str, object]) -> Path:
        """Write the rows of a query to a file in the folder; the view ``finished`` reads it."""
        path = self.folder / f"{name}.parquet"
        self.connection.sql(select, params=dict(parameters)).write_parquet(str(path))
        self.connection.sql("from read_parquet($path)", params={"path": str(path)}).create_view(
            "finished", replace=True
        )
        return path

    def _refuse_repeated_header(self, table: str, names: Sequence[str], file: ExportedFile) -> None:
        same = " and ".join(f"{quote(name)} = ${name}" for name in names)
        repeated = self.connection.execute(
            f"from {quote(table)} select count(*) where {same}",
            dict(zip(names, (label.lstrip("\ufeff") for label in file.header), strict=True)),
        ).fetchall()
        if repeated[0][0]:
            raise WrongDeliveryError(
                f"export {file.export_id} repeats its header {repeated[0][0]} time(s) among the "
                "rows",
                "Run the import again; if it stays, show the file to Emarsys support",
            )


def write_contacts(path: Path, contacts: Sequence[Mapping[str, Any]]) -> None:
    """Write contacts as getdata gave them to a file that :meth:`Scratch.load_contacts` reads."""
    with path.open("w", encoding="utf-8") as file:
        json.dump(list(contacts), file)


def exported_rows(file: ExportedFile, fields: Sequence[EmarsysField]) -> str:
    """A query: the records of a CSV file, all text, empty cells as null.

    Raises:
        WrongDeliveryError: the columns are not those that were asked for, in that order.
    """
    _check_header(file, fields)
    names = _columns_of(file, fields)
    return load_sql(
        __package__,
        "exported_rows.sql",
        path="'" + str(file.path).replace("'", "''") + "'",
        # Columns are bound by position: labels are translated and may repeat.
        columns=", ".join(f"'{name}': 'varchar'" for name in names),
        values=", ".join(f"nullif({quote(name)}, '') as {quote(name)}" for name in names),
    )


def _columns_of(file: ExportedFile, fields: Sequence[EmarsysField]) -> list[str]:
    names = [raw_field_column(field.field_id) for field in fields]
    return [USER_ID, *names] if file.has_user_id else names


def _check_header(file: ExportedFile, fields: Sequence[EmarsysField]) -> None:
    labels = list(file.header[1:] if file.has_user_id else file.header)
    if len(labels) != len(fields):
        raise WrongDeliveryError(
            f"export {file.export_id} has {len(labels)} field columns instead of {len(fields)}",
            "Run the import again; if it stays, check the account's fields in Emarsys",
        )
    for position, (label, field) in enumerate(zip(labels, fields, strict=True), start=1):
        if field.name and _comparable(label) != _comparable(field.name):
            raise WrongDeliveryError(
                f'export {file.export_id} has "{label}" in field column {position}, where field '
                f'{field.field_id}, "{field.name}", was asked for',
                "Run the import again; if it stays, check the account's fields in Emarsys",
            )


def _comparable(label: str) -> str:
    # Emarsys itself writes "E-Mail", "E-mail" and "Email" for one field.
    return "".join(character for character in label.casefold() if character.isalnum())
