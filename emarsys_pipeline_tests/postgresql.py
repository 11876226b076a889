"""A PostgreSQL server of the tests' own, started when the first test asks and shared by all.

It listens on a free port of 127.0.0.1, trusts everybody there, and writes through to the disk as
any server does. PostgreSQL refuses to run as root, so root starts it as the user ``postgres``.
"""

import contextlib
import fcntl
import json
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from emarsys_pipeline_tests.requirements import POSTGRESQL

_SETTINGS = {
    "unix_socket_directories": "",
    "lc_messages": "C",
    "shared_buffers": "32MB",
    "max_connections": "200",
    "log_min_messages": "warning",
}
_SHARED = "postgresql.json"


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running server; its address stays the same over restarts."""

    folder: Path
    host: str
    port: int

    @property
    def administrator(self) -> str:
        """The role that may do everything, by trust."""
        return _user()

    def address(self, database: str = "postgres") -> str:
        """The connection string of one of its databases."""
        return f"host={self.host} port={self.port} user={_user()} dbname={database}"

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """End it; ``immediate`` as a crash would."""
        self._control("stop", "-m", mode)

    def start(self) -> None:
        """Start it again."""
        self._control("start", "-l", str(self.folder / "log"))

    def remove(self) -> None:
        """End it and delete all it has written."""
        with contextlib.suppress(subprocess.CalledProcessError):
            self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """An empty database for the length of the block; gives its connection string."""
        import psycopg  # only here: tests without PostgreSQL run without its client

        name = f"test_{uuid.uuid4().hex}"
        with psycopg.connect(self.address(), autocommit=True) as session:
            session.execute(f"create database {name} strategy file_copy".encode())
        try:
            yield self.address(name)
        finally:
            with psycopg.connect(self.address(), autocommit=True) as session:
                session.execute(f"drop database {name} with (force)".encode())

    def _control(self, *arguments: str) -> None:
        _run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-s", *arguments)


def start_postgresql(
    host: str = "127.0.0.1",
    *,
    trusted: str = "127.0.0.1/32",
    further: Mapping[str, str] | None = None,
) -> PostgresServer:
    """Make and start a server; the caller removes it.

    Args:
        host: the address to listen on.
        trusted: addresses from which everybody may come in.
        further: settings of the server, by name.
    """
    folder = Path(tempfile.mkdtemp(prefix="emarsys-pipeline-postgresql-"))
    if os.geteuid() == 0:
        shutil.chown(folder, _user())
    data = folder / "data"
    with socket.create_server((host, 0)) as listening:
        port = int(listening.getsockname()[1])
    options = (
        "--username",
        _user(),
        "--auth",
        "trust",
        "--encoding",
        "UTF8",
        "--locale",
        "C.UTF-8",
    )
    _run("initdb", "--no-sync", "-D", str(data), *options)
    settings = {**_SETTINGS, "listen_addresses": host, "port": str(port), **(further or {})}
    with (data / "postgresql.conf").open("a") as file:
        file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
    with (data / "pg_hba.conf").open("a") as file:
        file.write(f"host all all {trusted} trust\n")
    server = PostgresServer(folder, host, port)
    server.start()
    return server


def shared_postgresql(session_folder: Path) -> PostgresServer:
    """The server of this test session, started by the first of its processes that asks."""
    with (session_folder / f"{_SHARED}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = session_folder / _SHARED
        if known.exists():
            folder, host, port = json.loads(known.read_text())
            return PostgresServer(Path(folder), host, port)
        server = start_postgresql()
        known.write_text(json.dumps([str(server.folder), server.host, server.port]))
        return server


def remove_shared_postgresql(session_folder: Path) -> None:
    """End the server of this test session, if any test asked for it."""
    if (session_folder / _SHARED).exists():
        shared_postgresql(session_folder).remove()
        (session_folder / _SHARED).unlink()


def _run(program: str, *arguments: str) -> None:
    path = POSTGRESQL.path_of_program
    if path is None:
        raise FileNotFoundError(f"{POSTGRESQL.program} of the Debian package {POSTGRESQL.name}")
    # No pipes: the server would inherit them, and whoever reads them would wait for its end.
    subprocess.run(  # noqa: S603 - a program found by its name
        [str(path.with_name(program)), *arguments],
        user=_user() if os.geteuid() == 0 else None,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        cwd="/",
        check=True,
    )


def _user() -> str:
    return "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
