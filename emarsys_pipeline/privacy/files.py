"""Takes a person out of files that are not our databases: hand-overs, logs, Dagster's storage."""

import json
import os
import re
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from emarsys_pipeline.privacy.search import (
    PARQUET_MAGIC,
    SQLITE_MAGIC,
    all_files,
    first_bytes,
    found,
    sqlite_columns,
)
from emarsys_pipeline.warehouse import Warehouse, quote

REPLACEMENT = "erased"
LINES = (".jsonl", ".ndjson", ".csv")
BUSY_SECONDS = 30
# Emptied with their database; they come and go with the connections of others.
SQLITE_LOGS = ("-wal", "-shm", "-journal")


def redactor(texts: Sequence[str], ids: Sequence[str] = ()) -> Callable[[str], str]:
    """A function that replaces texts anywhere and in any case, and ids in quotation marks."""
    parts = [re.escape(text) for text in sorted(texts, key=len, reverse=True)]
    parts += [f'(?<="){re.escape(each)}(?=")' for each in ids]
    if not parts:
        return lambda text: text
    pattern = re.compile("|".join(parts), re.IGNORECASE)
    return lambda text: pattern.sub(REPLACEMENT, text)


def clean_files(
    warehouse: Warehouse,
    folders: Sequence[Path],
    *,
    texts: Sequence[str],
    ids: Sequence[str],
    skipped: Sequence[Path],
) -> dict[str, int]:
    """Take the texts and ids out of every file of these folders; how many rows or files, by file.

    Rows of Parquet files and lines of hand-over files go; elsewhere the text is replaced.
    """
    redacted = redactor(texts, ids)
    cleaned: dict[str, int] = {}
    for path in all_files(folders):
        if path in skipped or path.name.endswith(SQLITE_LOGS):
            continue
        start = first_bytes(path)
        if start == SQLITE_MAGIC:
            rows = _clean_sqlite(path, texts, ids, redacted)
        elif start[:4] == PARQUET_MAGIC:
            rows = _clean_parquet(warehouse, path, texts)
        elif path.suffix in LINES:
            rows = _clean_lines(path, redacted)
        else:
            rows = _clean_text(path, redacted)
        if rows:
            cleaned[path.name] = cleaned.get(path.name, 0) + rows
    return cleaned


def _clean_sqlite(
    path: Path, texts: Sequence[str], ids: Sequence[str], redacted: Callable[[str], str]
) -> int:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    changed = 0
    try:
        connection.execute("pragma secure_delete = on")
        wanted = [*texts, *(json.dumps(each).lower() for each in ids)]
        for table, columns in sqlite_columns(connection):
            for column in columns:
                name = quote(column)
                condition = " or ".join([f"instr(lower({name}), ?)"] * len(wanted))
                rows = connection.execute(
                    f"select rowid, {name} from {quote(table)}"  # noqa: S608 - quoted
                    f" where typeof({name}) = 'text' and ({condition})",
                    wanted,
                ).fetchall()
                connection.executemany(
                    f"update {quote(table)} set {name} = ? where rowid = ?",  # noqa: S608 - quoted
                    [(redacted(value), rowid) for rowid, value in rows],
                )
                changed += len(rows)
        if changed:
            connection.execute("vacuum")
            connection.execute("pragma wal_checkpoint(truncate)")
    finally:
        connection.close()
    return changed


def _clean_parquet(warehouse: Warehouse, path: Path, texts: Sequence[str]) -> int:
    building = path.with_name(f".{path.name}.cleaned")
    parameters = {"path": str(path), "texts": list(texts)}
    with warehouse.read() as connection:
        ((rows,),) = connection.execute(
            f"select count(*) from read_parquet($path) as cells where {found('cells')}",  # noqa: S608 - of ours
            parameters,
        ).fetchall()
        if not rows:
            return 0
        literal = "'" + str(building).replace("'", "''") + "'"
        connection.execute(
            f"copy (select * from read_parquet($path) as cells where not {found('cells')})"  # noqa: S608 - of ours
            f" to {literal} (format parquet)",
            parameters,
        )
    _replace(path, building)
    return int(rows)


def _clean_lines(path: Path, redacted: Callable[[str], str]) -> int:
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    lines = text.splitlines(keepends=True)
    kept = [line for line in lines if redacted(line) == line]
    return _write(path, "".join(kept)) * (len(lines) - len(kept)) if len(kept) < len(lines) else 0


def _clean_text(path: Path, redacted: Callable[[str], str]) -> int:
    # Latin 1 maps every byte to a character and back, so that any file survives the way.
    try:
        text = path.read_bytes().decode("latin-1")
    except FileNotFoundError:
        return 0
    clean = redacted(text)
    if clean == text:
        return 0
    building = path.with_name(f".{path.name}.cleaned")
    building.write_bytes(clean.encode("latin-1"))
    _replace(path, building)
    return 1


def _write(path: Path, text: str) -> int:
    building = path.with_name(f".{path.name}.cleaned")
    building.write_text(text, encoding="utf-8", errors="surrogateescape")
    _replace(path, building)
    return 1


def _replace(path: Path, building: Path) -> None:
    with building.open("rb") as file:
        os.fsync(file.fileno())
    building.replace(path)
