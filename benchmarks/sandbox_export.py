"""How fast the sandbox makes and streams an export of 500,000 contacts.

It starts a sandbox, exports its segment of 500,000 contacts with twenty fields over HTTP, and then
lets DuckDB alone write the same CSV from the same file. The ratio is DuckDB's seconds by the
sandbox's: 1.00 is as fast, 0.50 half as fast. The exit code is 1 below 0.50.

It prints also how long the sandbox took to start with 500,000 contacts, and its memory on the way.

Run it with ``python -m benchmarks.sandbox_export``.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import requests

from emarsys_pipeline.sandbox.exports import ExportOrder, export_query, header_line
from emarsys_pipeline.sandbox.process import Sandbox, running_sandbox
from emarsys_pipeline.sandbox.segments import find_segment, members_query
from emarsys_pipeline.sandbox.state import State

ROWS = 500_000
SEGMENT = "100400108"
FIELDS = (1, 2, 3, 37, 15, 4, 5, 10, 11, 13, 14, 18, 31, 35, 46, 10231, 10240, 10250, 10270, 10500)
ROUNDS = 3
LEAST_RATIO = 0.5
_TIMEOUT_SECONDS = 300


def say(text: str) -> None:
    """Print one line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def memory(sandbox: Sandbox) -> str:
    """Return what the sandbox holds in memory now and held at most, in MB."""
    status = Path(f"/proc/{sandbox.process_id}/status").read_text(encoding="utf-8")
    kilobytes = {
        line.split(":")[0]: int(line.split()[1])
        for line in status.splitlines()
        if line.startswith(("VmRSS", "VmHWM"))
    }
    return f"{kilobytes['VmRSS'] // 1024} MB now, {kilobytes['VmHWM'] // 1024} MB at most"


def session_of(sandbox: Sandbox) -> requests.Session:
    """Return a session that is signed in to API v3."""
    session = requests.Session()
    token = session.post(
        sandbox.token_url,
        auth=(sandbox.client_id, sandbox.client_secret),
        data={"grant_type": "client_credentials"},
        timeout=_TIMEOUT_SECONDS,
    ).json()["access_token"]
    session.headers["Authorization"] = f"Bearer {token}"
    return session


def export(session: requests.Session, base: str, segment: str, path: Path) -> float:
    """Export a segment to a file; return the seconds from the start call to the last byte."""
    started = time.perf_counter()
    order = {"filter": segment, "distribution_method": "local", "contact_fields": list(FIELDS)}
    reply = session.post(f"{base}/export/filter", json=order, timeout=_TIMEOUT_SECONDS)
    export_id = reply.json()["data"]["id"]
    status = ""
    while status != "done":
        time.sleep(0.02)
        reply = session.get(f"{base}/export/{export_id}", timeout=_TIMEOUT_SECONDS)
        status = reply.json()["data"]["status"]
    with (
        session.get(
            f"{base}/export/{export_id}/data", stream=True, timeout=_TIMEOUT_SECONDS
        ) as reply,
        path.open("wb") as file,
    ):
        for piece in reply.iter_content(1 << 20):
            file.write(piece)
    return time.perf_counter() - started


def write_with_duckdb(state: State, path: Path) -> float:
    """Let DuckDB write the same records; return the seconds, without those for the header."""
    order = ExportOrder(
        kind="export/filter",
        field_ids=FIELDS,
        has_user_id=False,
        delimiter=",",
        has_header=True,
        language="en",
        segment_id=SEGMENT,
        request="",
    )
    fields = [state.catalogue.fields[number] for number in FIELDS]
    query = export_query(fields, order, members_query(find_segment(state, SEGMENT)))
    started = time.perf_counter()
    with state.read() as connection:
        connection.execute(
            f"copy ({query}) to '{path}' (format csv, header false, new_line '\\r\\n')"
        )
    seconds = time.perf_counter() - started
    # The sandbox's header has names that repeat, which DuckDB would not write.
    path.write_bytes(header_line(state, order) + path.read_bytes())
    return seconds


def content_of(path: Path) -> tuple[int, str]:
    """Return size and a checksum over the lines of a file, whatever their order."""
    lines = sorted(path.read_bytes().split(b"\r\n"))
    return path.stat().st_size, hashlib.sha256(b"\n".join(lines)).hexdigest()


def main() -> None:
    """Measure and print."""
    say(f"{platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    with TemporaryDirectory(prefix="sandbox-export-") as folder:
        path = Path(folder) / "account.duckdb"
        exported, written = Path(folder) / "exported.csv", Path(folder) / "written.csv"
        started = time.perf_counter()
        with running_sandbox(contacts=ROWS, state=path) as sandbox:
            say(f"start with {ROWS:,} contacts: {time.perf_counter() - started:.1f} s")
            say(f"memory after the start: {memory(sandbox)}")
            session, base = session_of(sandbox), f"{sandbox.url}/api/v3"
            # The segment's contacts are made at first use, which is not what is measured.
            export(session, base, SEGMENT, exported)
            say(f"memory with a further {ROWS:,} contacts: {memory(sandbox)}")
            ours = min(export(session, base, SEGMENT, exported) for _ in range(ROUNDS))
            say(f"memory after {ROUNDS + 1} exports: {memory(sandbox)}")
        state = State(path)
        theirs = min(write_with_duckdb(state, written) for _ in range(ROUNDS))
        state.close()
        size = exported.stat().st_size
        if content_of(exported) != content_of(written):
            raise SystemExit("the two files differ")
    ratio = theirs / ours
    say(f"{ROWS:,} rows, {len(FIELDS)} fields, {size / 1e6:.1f} MB, best of {ROUNDS}")
    say(f"sandbox over HTTP: {ours:.2f} s ({ROWS / ours:,.0f} rows/s)")
    say(f"DuckDB to a file:  {theirs:.2f} s ({ROWS / theirs:,.0f} rows/s)")
    say(f"ratio: {ratio:.2f}")
    raise SystemExit(ratio < LEAST_RATIO)


if __name__ == "__main__":
    main()
