"""Tombstones: keyed hashes of erased identifiers, which stop them from coming back.

The key is a salt of this installation, kept apart from the tables. SQL computes a tombstone with
the macro ``tombstone_of(kind, value)``, which every connection has once the salt exists. Kinds:
``emarsys`` (account, chr(31), contact id), ``platform`` (the messaging side's contact id),
``phone``, ``email`` (both normalised) and ``event`` (the id of a consent event).
"""

import os
import secrets
from pathlib import Path

import duckdb

SALT_BYTES = 32


class SaltMissingError(Exception):
    """There are tombstones, and the file with the salt that they were made with is gone."""


def new_salt() -> str:
    """A salt that nobody has had before, in hexadecimal digits."""
    return secrets.token_hex(SALT_BYTES)


def make_salt_file(path: Path) -> None:
    """Make the salt's file unless it is there; only its owner may read it."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(new_salt())
        file.flush()
        os.fsync(file.fileno())


def read_salt(path: Path) -> str | None:
    """The salt in this file; None if there is no file."""
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None


def add_tombstone_macro(connection: duckdb.DuckDBPyConnection, salt: str | None) -> None:
    """Give this connection ``tombstone_of(kind, value)``, if there is a salt.

    The salt stays in the connection's memory: the macro is temporary and the database holds none.
    """
    if salt is None:
        return
    # Set by statement, as variables take no parameters; hexadecimal digits cannot end the literal.
    connection.execute(" ".join(["set variable erasure_salt =", f"'{int(salt, 16):064x}'"]))
    connection.execute(
        "create temp macro tombstone_of(kind, value) as sha256(getvariable('erasure_salt') ||"
        " sha256(getvariable('erasure_salt') || kind || chr(31) || value))"
    )


def has_tombstones(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether anybody was erased, so that what comes in must be compared.

    Raises:
        SaltMissingError: it cannot be compared.
    """
    ((exist, known),) = connection.execute(
        "select exists (from erasure_tombstones), getvariable('erasure_salt') is not null"
    ).fetchall()
    if exist and not known:
        raise SaltMissingError(
            "people were erased, and the salt of their tombstones (erasure.salt in the home) is "
            "missing: put it back from a backup, else erased people would be imported again"
        )
    return bool(exist)
