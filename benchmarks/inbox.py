"""How many signed events a second the webhook service keeps, and whether a kill -9 loses one.

It starts ``emarsys-pipeline webhooks`` and sends consent events, each signed and in a request of
its own, over connections that stay open. A 2xx counts only if the event is in the inbox's table
afterwards. Two parts:

1. A steady load. Its rate is compared with two things measured in the same folder in the same run:
   how many events a second one commit each would keep, and how often a second the disk syncs.
2. The same, while the service is killed with SIGKILL again and again and started anew. What was
   not answered is sent again. The exit code is 1 if an answered event is missing or kept twice.

The exit code is 1 as well below 1,000 events a second in the first part.

Run it with ``python -m benchmarks.inbox``. With ``--postgresql 'host=... user=... dbname=...'`` the
inbox is in new schemas of that database, as on several machines, instead of in a file.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import hmac
import json
import os
import platform
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from emarsys_pipeline.inbox import Inbox, deploy_store, parse_message
from emarsys_pipeline.settings import load_settings
from emarsys_pipeline.storage import inbox_place

SECRET = "a platform secret of at least 32 bytes"  # noqa: S105 - of this run only
CONNECTIONS = 64
LEAST_PER_SECOND = 1000
STEADY_EVENTS, KILLED_EVENTS = 30_000, 100_000
SINGLE_COMMITS = 300
START_SECONDS, ANSWER_SECONDS = 60.0, 30.0
# The service is killed after it has kept this share of all events, chosen anew each time.
LIFE_SHARES = (0.02, 0.12)
ACCEPTED = b"HTTP/1.1 202 "
PATH = "/webhooks/platform/consent"

SETTINGS = """
home: {home}
windows: {{start: 2026-01-01T00:00:00Z}}
accounts:
  - name: shop_de
    connection: {{auth: wsse, username: "${{INBOX_USER}}", secret: "${{INBOX_SECRET}}"}}
    default_region: DE
    segments: [1]
    fields: [{{emarsys: email, as: email, identifier: email}}]
webhooks: {{port: {port}, platform_secret: "${{INBOX_SECRET}}", rate_per_second: 100000}}
"""
LAKE = """
lake: {{catalog: "${{INBOX_CATALOG}}", schema: {schema}, data_path: {home}/lake/}}
"""


def say(text: str) -> None:
    """Print one line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def body_of(event_id: str) -> bytes:
    """An event as the messaging platform sends it."""
    document = {
        "event_id": event_id,
        "platform_contact_id": f"c{event_id}",
        "phone": "+4915112345678",
        "channel": "whatsapp",
        "status": "granted",
        "occurred_at": "2026-01-31T09:30:00Z",
    }
    return json.dumps(document).encode()


def request_of(event_id: str) -> bytes:
    """The whole signed request of an event."""
    body = body_of(event_id)
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"X-Signature: sha256={digest}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Service:
    """The webhook service, as the command that people start, with an empty inbox."""

    def __init__(self, folder: Path, database: str | None) -> None:
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            self.port = int(listening.getsockname()[1])
        self.settings = folder / "emarsys_pipeline.yaml"
        text = SETTINGS.format(home=folder, port=self.port)
        self.variables = {"INBOX_USER": "user", "INBOX_SECRET": SECRET}
        if database is not None:
            text += LAKE.format(schema=f"inbox_{uuid.uuid4().hex}", home=folder)
            self.variables["INBOX_CATALOG"] = database
        self.settings.write_text(text, encoding="utf-8")
        os.environ.update(self.variables)
        settings = load_settings(self.settings)
        self.place = inbox_place(settings.inbox_path, settings.lake)
        if not isinstance(self.place, Path):
            deploy_store(self.place)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it answers some time later."""
        command = [sys.executable, "-m", "emarsys_pipeline", "webhooks"]
        self.process = subprocess.Popen(  # noqa: S603 - our own command
            [*command, "--config", str(self.settings)],
            env={**os.environ, **self.variables},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def cpu_seconds(self) -> float:
        """Processor time that it has used so far."""
        if self.process is None:
            return 0.0
        text = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8")
        fields = text.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()


@contextlib.contextmanager
def serving(folder: Path, database: str | None) -> Iterator[Service]:
    """A service for the duration of a ``with`` block."""
    service = Service(folder, database)
    service.start()
    try:
        yield service
    finally:
        service.kill()


@dataclass
class Load:
    """Events on their way, and those that were answered with 202."""

    service: Service
    waiting: list[str]
    answered: set[str]
    lost_connections: int = 0

    async def send_all(self) -> None:
        """Send until each event is answered, from all connections."""
        await asyncio.gather(*(self._connection() for _ in range(CONNECTIONS)))

    async def _connection(self) -> None:
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while self.waiting:
            event_id = self.waiting.pop()
            try:
                if streams is None:
                    streams = await asyncio.open_connection("127.0.0.1", self.service.port)
                async with asyncio.timeout(ANSWER_SECONDS):
                    is_kept = await _send(*streams, event_id)
            except (OSError, asyncio.IncompleteReadError, TimeoutError):
                self.lost_connections += 1
                is_kept = False
                if streams is not None:
                    streams[1].close()
                streams = None
            if is_kept:
                self.answered.add(event_id)
            else:
                self.waiting.append(event_id)
                await asyncio.sleep(0.05)
        if streams is not None:
            streams[1].close()


async def _send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, event_id: str) -> bool:
    writer.write(request_of(event_id))
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    await reader.readexactly(length)
    return head.startswith(ACCEPTED)


async def kill_again_and_again(
    load: Load, chance: random.Random, total: int, shares: tuple[float, float]
) -> int:
    """Kill and restart the service until all is answered; return the number of kills."""
    kills = 0
    while True:
        dies_at = len(load.answered) + max(1, int(total * chance.uniform(*shares)))
        while len(load.answered) < min(dies_at, total):
            await asyncio.sleep(chance.uniform(0.001, 0.01))
        if dies_at >= total:
            return kills
        load.service.kill()
        kills += 1
        load.service.start()


def wait_until_ready(service: Service) -> None:
    """Return once the service takes connections."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", service.port), 1).close()
            return
        time.sleep(0.05)
    raise TimeoutError("the webhook service does not answer")


def kept_ids(service: Service) -> list[str]:
    """The event ids in the table; those of a file are read by SQLite alone."""
    if not isinstance(service.place, Path):
        with Inbox(service.place) as inbox:
            return list(inbox.fetch("consent")["message_id"].to_pylist())
    with contextlib.closing(sqlite3.connect(service.place)) as connection:
        rows = connection.execute("select message_id from messages").fetchall()
    return [row[0] for row in rows]


def missing_events(service: Service, answered: set[str]) -> int:
    """Events that were answered and are not in the table; raises if one is there twice."""
    kept = kept_ids(service)
    if len(kept) != len(set(kept)):
        raise SystemExit("an event is in the table twice")
    return len(answered - set(kept))


def measure_single_commits(service: Service, count: int) -> float:
    """Events a second when each is a commit of its own, in the same inbox."""
    messages = [
        parse_message("consent", json.loads(body_of(f"single-{number}"))) for number in range(count)
    ]
    with Inbox(service.place) as inbox:
        started = time.perf_counter()
        for message in messages:
            inbox.put([message], source="webhook")
        return count / (time.perf_counter() - started)


def measure_syncs(folder: Path, count: int) -> float:
    """How often a second a file of this folder can be appended to and synced."""
    with (folder / "syncs").open("wb", buffering=0) as file:
        started = time.perf_counter()
        for _ in range(count):
            file.write(b"x" * 4096)
            os.fsync(file.fileno())
        return count / (time.perf_counter() - started)


def measure_steady_load(folder: Path, events: int, database: str | None = None) -> float:
    """Send events without disturbance and print the rate; return it."""
    with serving(folder, database) as service:
        wait_until_ready(service)
        ids = [f"steady-{number}" for number in range(events)]
        load = Load(service, ids, set())
        started, used = time.perf_counter(), service.cpu_seconds()
        asyncio.run(load.send_all())
        rate = events / (time.perf_counter() - started)
        used = service.cpu_seconds() - used
    missing = missing_events(service, load.answered)
    single, syncs = measure_single_commits(service, SINGLE_COMMITS), measure_syncs(folder, 500)
    say(f"{events:,} signed events over {CONNECTIONS} connections: {rate:,.0f} events/s durable")
    say(f"  answered {len(load.answered):,}, missing in the table {missing}")
    say(
        f"  processor time of the service: {1000 * used / events:.2f} ms per event;"
        f" alone on a core it keeps {events / used:,.0f} events/s"
    )
    say(f"  one commit per event: {single:,.0f} events/s, ratio {rate / single:.1f}")
    say(f"  write and fsync of 4 KB: {syncs:,.0f} /s, ratio {rate / syncs:.1f}")
    if missing:
        raise SystemExit("answered events are missing")
    return rate


def measure_kills(
    folder: Path,
    events: int,
    seed: int,
    database: str | None = None,
    *,
    shares: tuple[float, float] = LIFE_SHARES,
) -> int:
    """Send events while the service is killed; return how many answered ones are missing."""
    chance = random.Random(seed)  # noqa: S311 - no secret

    async def drive(load: Load) -> int:
        kills, _ = await asyncio.gather(
            kill_again_and_again(load, chance, events, shares), load.send_all()
        )
        return kills

    with serving(folder, database) as service:
        wait_until_ready(service)
        load = Load(service, [f"killed-{number}" for number in range(events)], set())
        started = time.perf_counter()
        kills = asyncio.run(drive(load))
        seconds = time.perf_counter() - started
    missing = missing_events(service, load.answered)
    say(
        f"{events:,} signed events under {kills} kill -9 in {seconds:.0f} s, seed {seed}:"
        f" answered {len(load.answered):,}, failed attempts {load.lost_connections:,},"
        f" lost {missing}"
    )
    return missing


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--steady", type=int, default=STEADY_EVENTS, help="events of part 1")
    parser.add_argument("--killed", type=int, default=KILLED_EVENTS, help="events of part 2")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--postgresql", help="connection string of a database for the inbox")
    asked = parser.parse_args()
    say(f"{platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    with TemporaryDirectory(prefix="inbox-") as folder:
        rate = measure_steady_load(Path(folder), asked.steady, asked.postgresql)
    with TemporaryDirectory(prefix="inbox-") as folder:
        missing = measure_kills(Path(folder), asked.killed, asked.seed, asked.postgresql)
    raise SystemExit(rate < LEAST_PER_SECOND or missing > 0)


if __name__ == "__main__":
    main()
