"""Real servers on this machine: PostgreSQL, Redis and an S3-compatible store."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import requests

from emarsys_pipeline_tests.postgresql import PostgresServer, start_postgresql
from emarsys_pipeline_tests.requirements import REDIS

START_SECONDS = 60.0
REDIS_PASSWORD = "password-of-redis"
S3_KEY, S3_SECRET = "key-of-the-store", "secret-of-the-store"


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """Where the servers answer."""

    host: str
    postgresql: PostgresServer
    redis_port: int
    s3_url: str

    @property
    def environment(self) -> dict[str, str]:
        """What an operator writes into the environment file about them."""
        redis = f"redis://:{REDIS_PASSWORD}@{self.host}:{self.redis_port}"
        return {
            "PGHOST": self.postgresql.host,
            "PGPORT": str(self.postgresql.port),
            "CELERY_BROKER_URL": f"{redis}/0",
            "CELERY_RESULT_BACKEND": f"{redis}/1",
            "EMARSYS_PIPELINE_S3_URL": self.s3_url,
            "AWS_ACCESS_KEY_ID": S3_KEY,
            "AWS_SECRET_ACCESS_KEY": S3_SECRET,
        }


@contextlib.contextmanager
def running_servers(
    folder: Path, *, host: str = "127.0.0.1", trusted: str = "127.0.0.1/32"
) -> Iterator[Servers]:
    """Start all three, and end them with everything they have stored.

    Args:
        folder: for their logs.
        host: the address to listen on.
        trusted: from where the administrator of PostgreSQL may come without a password.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as started:
        postgresql = start_postgresql(host, trusted=trusted)
        started.callback(postgresql.remove)
        _ask_for_passwords(postgresql)
        redis_port = started.enter_context(_redis(folder, host))
        s3_url = started.enter_context(_s3(folder, host))
        yield Servers(host=host, postgresql=postgresql, redis_port=redis_port, s3_url=s3_url)


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody listens on now."""
    with socket.socket() as listening:
        listening.bind((host, 0))
        return int(listening.getsockname()[1])


def wait_until(
    what: str, look: Callable[[], bool], *, seconds: float, pause_seconds: float = 0.1
) -> None:
    """Look again and again until it is so."""
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, f"no {what} in {seconds:g} s"
        time.sleep(pause_seconds)


def _ask_for_passwords(server: PostgresServer) -> None:
    """Let nobody but the administrator in without a password, as after Debian's installation."""
    rules = server.folder / "data" / "pg_hba.conf"
    rules.write_text("host all emarsys_pipeline all scram-sha-256\n" + rules.read_text())
    server.stop()
    server.start()


@contextlib.contextmanager
def _redis(folder: Path, host: str) -> Iterator[int]:
    program = REDIS.path_of_program
    assert program is not None, f"apt-get install {REDIS.name}"
    port = free_port(host)
    options = ("--bind", host, "--port", str(port), "--requirepass", REDIS_PASSWORD)
    with _process(folder / "redis.log", str(program), *options, "--save", "", "--dir", str(folder)):
        wait_until("Redis", lambda: _accepts(host, port), seconds=START_SECONDS)
        yield port


@contextlib.contextmanager
def _s3(folder: Path, host: str) -> Iterator[str]:
    port = free_port(host)
    server = (sys.executable, "-m", "moto.server", "--host", host, "--port", str(port))
    with _process(folder / "s3.log", *server):
        url = f"http://{host}:{port}"

        def answers() -> bool:
            try:
                return requests.get(url, timeout=5).ok
            except requests.ConnectionError:
                return False

        wait_until("S3 server", answers, seconds=START_SECONDS)
        yield url


def _accepts(host: str, port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((host, port)) == 0


@contextlib.contextmanager
def _process(log: Path, *command: str) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own command
            command, stdout=output, stderr=subprocess.STDOUT, env=dict(os.environ)
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
