"""How many requests 100,000 opt-in values take, and how fast they are written.

It starts a sandbox, imports its contacts into a warehouse, puts one decision per contact into the
inbox and drains the outbox as the Dagster asset does: decisions into the ledger, deltas, intents,
requests, outcomes. Then it sends the same values with bare HTTP requests, prepared beforehand, to
the same sandbox; that is the work which nobody can avoid. The ratio is its seconds by ours.

The exit code is 1 if a value is missing in the sandbox, if more than 11 requests were sent per
10,000 deltas, or if a second drain sends anything.

Run it with ``python -m benchmarks.opt_in_pushes``.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import requests

from emarsys_pipeline.clock import utc_now
from emarsys_pipeline.emarsys import EmarsysClient, OAuth2Credentials
from emarsys_pipeline.inbox import Inbox, parse_message
from emarsys_pipeline.sandbox.process import Sandbox, running_sandbox
from emarsys_pipeline.settings import AccountSettings, PushSettings, StitchingSettings
from emarsys_pipeline.stages.opt_in_pushes import OptInPushed, make_refresh, push_account
from emarsys_pipeline.stages.stitched_identities import stitch_identities
from emarsys_pipeline.warehouse import Warehouse
from emarsys_pipeline.windows import WindowGrid

CONTACTS = 100_000
MOST_REQUESTS_PER_10_000 = 11
BATCH = 1000
FIELD = "10500"
GRID = WindowGrid(datetime(2026, 1, 1, tzinfo=UTC), 720)
_TIMEOUT_SECONDS = 120

ACCOUNT = AccountSettings.model_validate(
    {
        "name": "shop_de",
        "connection": {"auth": "oauth2", "client_id": "${ID}", "client_secret": "${SECRET}"},
        "default_region": "DE",
        "segments": [1],
        "fields": [{"emarsys": 37, "as": "mobile", "identifier": "phone"}],
        "opt_in": {"field": FIELD},
    }
)
# One contact per person, each with a fictional number of its own.
PHONE = "'+49151' || lpad((contact_id::bigint % 100000000)::varchar, 8, '0')"


def say(text: str) -> None:
    """Print one line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def prepare(warehouse: Warehouse, inbox: Inbox, contact_ids: list[str]) -> None:
    """Contacts as an import leaves them, stitched, and a decision for each in the inbox."""
    window = GRID.at(GRID.start)
    with warehouse.write() as connection:
        connection.execute(
            "insert into emarsys_fields values"
            " ('shop_de', $start, $field, 'WhatsApp opt-in', 'whatsapp_opt_in', 'shorttext')",
            {"start": window.start, "field": FIELD},
        )
        connection.execute(
            "insert into mapped_contacts by name select 'shop_de' as account, '1' as segment_id,"  # noqa: S608 - constants
            " $start::timestamptz as window_start, contact_id, 'new' as operation,"
            f" []::varchar[] as changed_fields, 0::ubigint as row_hash, [{PHONE}] as phone_numbers,"
            " []::varchar[] as email_addresses, $start::timestamptz as requested_at,"
            " 'run' as run_id, $start::timestamptz as loaded_at"
            " from (select unnest($ids::varchar[]) as contact_id)",
            {"start": window.start, "ids": contact_ids},
        )
        connection.execute(
            "insert into current_contacts by name select account, contact_id, window_start as"
            " first_window_start, window_start, true as is_member, phone_numbers,"
            " email_addresses, requested_at, window_start as touched_window_start"
            " from mapped_contacts"
        )
        phones = connection.execute("select phone_numbers[1] from mapped_contacts").fetchall()
    stitch_identities(
        warehouse, window, stitching=StitchingSettings(), property_types={}, run_id="run"
    )
    inbox.put(
        [
            parse_message(
                "consent",
                {
                    "event_id": f"e{number}",
                    "phone": phone,
                    "status": "granted",
                    "occurred_at": "2026-01-01T08:00:00Z",
                },
            )
            for number, (phone,) in enumerate(phones)
        ],
        source="file",
    )


def drain(warehouse: Warehouse, inbox: Inbox, client: EmarsysClient) -> OptInPushed:
    """What the asset opt_in_pushes does."""
    refresh = make_refresh(
        inbox, GRID, accounts=[ACCOUNT], default_region="DE", run_id="run", now=utc_now
    )
    return push_account(
        warehouse, client, ACCOUNT, pushes=PushSettings(), run_id="run", refresh=refresh
    )


def seconds_of_bare_requests(sandbox: Sandbox, contact_ids: list[str]) -> float:
    """The seconds that bare requests with the same content take."""
    session = requests.Session()
    token = session.post(
        sandbox.token_url,
        auth=(sandbox.client_id, sandbox.client_secret),
        data={"grant_type": "client_credentials"},
        timeout=_TIMEOUT_SECONDS,
    ).json()["access_token"]
    url = f"{sandbox.url}/api/v3/contact/"
    prepared = [
        session.prepare_request(
            requests.Request(
                "PUT",
                url,
                headers={"Authorization": f"Bearer {token}"},
                json={
                    "key_id": "id",
                    "contacts": [
                        {"id": each, FIELD: "withdrawn"}
                        for each in contact_ids[start : start + BATCH]
                    ],
                },
            )
        )
        for start in range(0, len(contact_ids), BATCH)
    ]
    started = time.perf_counter()
    for request in prepared:
        reply = session.send(request, timeout=_TIMEOUT_SECONDS)
        if not reply.ok:
            raise SystemExit(f"the sandbox answered {reply.status_code}")
    return time.perf_counter() - started


def measure(folder: Path, contacts: int) -> bool:
    """Push one delta per contact and print what it took; return whether all is as it must be."""
    with running_sandbox(contacts=contacts, has_rate_limit=True) as sandbox:
        contact_ids = sorted(sandbox.field_values(FIELD))[:contacts]
        sandbox.import_silently({each: {FIELD: ""} for each in contact_ids})
        warehouse = Warehouse(folder / "warehouse")
        warehouse.migrate()
        credentials = OAuth2Credentials(sandbox.client_id, sandbox.client_secret, sandbox.token_url)
        with (
            Inbox(folder / "inbox.sqlite") as inbox,
            EmarsysClient(credentials, base_url=sandbox.url) as client,
        ):
            prepare(warehouse, inbox, contact_ids)
            started = time.perf_counter()
            pushed = drain(warehouse, inbox, client)
            seconds = time.perf_counter() - started
            calls = client.calls
            again = drain(warehouse, inbox, client)
            calls_again = client.calls - calls
        held = sandbox.field_values(FIELD)
        missing = sum(held[each] != "granted" for each in contact_ids)
        bare = seconds_of_bare_requests(sandbox, contact_ids)
    most = max(1, -(-contacts * MOST_REQUESTS_PER_10_000 // 10_000))
    say(f"{pushed.accepted:,} of {contacts:,} deltas accepted in {seconds:.1f} s")
    say(f"requests: {calls} of at most {most}; contacts without their value: {missing}")
    say(f"values a second: {contacts / seconds:,.0f}, with ledger, deltas, intents and outcomes")
    say(f"bare HTTP requests with the same values: {bare:.1f} s, ratio {bare / seconds:.2f}")
    say(f"a second drain: {again.accepted} values, {calls_again} requests")
    return missing == 0 and calls <= most and calls_again == 0 and pushed.accepted == contacts


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--contacts", type=int, default=CONTACTS)
    contacts = parser.parse_args().contacts
    say(f"{platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    with TemporaryDirectory(prefix="opt-in-pushes-") as folder:
        is_well = measure(Path(folder), contacts)
    raise SystemExit(not is_well)


if __name__ == "__main__":
    main()
