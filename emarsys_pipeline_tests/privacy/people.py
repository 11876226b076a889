"""A home with two people in every table, file and log: Lena, who will be erased, and Otto.

``python -m emarsys_pipeline_tests.privacy.people HOME STEP`` erases Lena and is killed right before
the step with this number, or right after the last.
"""

import os
import signal
import sqlite3
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from emarsys_pipeline.inbox import parse_message
from emarsys_pipeline.privacy import erase as erasing
from emarsys_pipeline.privacy.erase import Home
from emarsys_pipeline.privacy.requests import ErasureRequest
from emarsys_pipeline.settings import Settings
from emarsys_pipeline.stages.automation_events import ingest_automation_events
from emarsys_pipeline.stages.consent_events import ingest_consent_events
from emarsys_pipeline.stages.mapped_contacts import map_segment
from emarsys_pipeline.stages.platform_contacts import ingest_platform_contacts
from emarsys_pipeline.stages.stitched_identities import stitch_identities
from emarsys_pipeline.storage import deploy, open_inbox, open_warehouse
from emarsys_pipeline.warehouse import Warehouse
from emarsys_pipeline.windows import WindowGrid
from emarsys_pipeline_tests.stages import landed_rows
from emarsys_pipeline_tests.stages.landed_rows import FIRST, SEGMENT, put_catalogue, put_raw, window

LENA_PHONE, LENA_WRITTEN, LENA_MAIL = "+4915100000001", "0151 000 00001", "lena.lind@example.org"
LENA_OLD_MAIL = "lena.before@example.org"
LENA_TEXTS = ("15100000001", "0151 000 00001", "lena.lind", "lena.before", "zzyzxlind")
LENA_IDS = ("700001", "700002", "p-lena", "ev-lena")
OTTO_PHONE, OTTO_MAIL = "+4915100000002", "otto@example.org"
SHARED_MAIL = "family@example.org"
GRID = WindowGrid(FIRST, 720)


def make_settings(home: Path, lake: Mapping[str, str] | None = None) -> Settings:
    """Settings of one account whose home is the given folder, with a lake or without."""
    account = landed_rows.make_account(
        fields=[
            {"emarsys": "email", "as": "email", "identifier": "email"},
            {"emarsys": 37, "as": "mobile", "identifier": "phone"},
            {"emarsys": 1, "as": "first_name"},
            {"emarsys": 4, "as": "birth_date"},
        ],
        opt_in={"field": "902"},
    )
    return Settings.model_validate(
        {
            "home": home,
            "windows": {"start": FIRST},
            "accounts": [account],
            "properties": {"birth_date": "date"},
            "publish": {"min_interval_seconds": 0},
            "lake": lake,
        }
    )


def open_home(folder: Path, lake: Mapping[str, str] | None = None) -> Home:
    """The home of these settings."""
    settings = make_settings(folder, lake)
    deploy(settings)
    return Home(warehouse=open_warehouse(settings), settings=settings)


def run_window(home: Home, number: int) -> None:
    """Take in, map and stitch a window."""
    store, settings = home.warehouse, home.settings
    account = settings.accounts[0]
    with open_inbox(settings) as inbox:
        ingest_platform_contacts(store, inbox, window(number), default_region="DE")
        ingest_consent_events(store, inbox, window(number), default_region="DE")
        ingest_automation_events(store, inbox, window(number), grid=GRID, accounts=[account])
    map_segment(
        store,
        account,
        SEGMENT,
        window(number),
        property_types=settings.property_types,
        run_id="run",
    )
    stitch_identities(
        store,
        window(number),
        stitching=settings.stitching,
        property_types=settings.property_types,
        run_id="run",
    )


def put_messages(home: Home, number: int = 0) -> None:
    """Contacts, decisions and calls about both, and a body that nobody can read."""
    contents = [
        ("contact", {"platform_contact_id": "p-lena", "phone": LENA_WRITTEN, "event_id": "c1"}),
        ("contact", {"platform_contact_id": "p-otto", "phone": OTTO_PHONE, "event_id": "c2"}),
        ("consent", consent("ev-lena", platform_contact_id="p-lena")),
        ("consent", consent("ev-otto", phone=OTTO_PHONE)),
        ("consent", consent("ev-note", phone=OTTO_PHONE, note=f"invited by {LENA_MAIL}")),
        ("automation", {"contact_id": "700001", "event_name": "cart", "deduplication_id": "a1"}),
        ("automation", {"email": OTTO_MAIL, "event_name": "cart", "deduplication_id": "a2"}),
    ]
    with open_inbox(home.settings) as inbox:
        messages = [
            parse_message(kind, content, account="shop")  # type: ignore[arg-type]  # kinds above
            for kind, content in contents
        ]
        inbox.put(messages, source="webhook", received_at=window(number).start)
        inbox.poison(f'{{"phone": "{LENA_WRITTEN}"'.encode(), reason="is no JSON", source="webhook")
        inbox.poison(b'{"phone": "otto"', reason="is no JSON", source="webhook")


def consent(event_id: str, **content: str) -> dict[str, str]:
    """A grant."""
    return {
        "event_id": event_id,
        "status": "granted",
        "occurred_at": FIRST.isoformat(),
        **content,
    }


def fill(folder: Path, lake: Mapping[str, str] | None = None) -> Home:
    """Two windows of both people; Lena's two contacts and her messaging side become one person.

    In the first window her second contact is a person of its own, so the second has a merge.
    """
    home = open_home(folder, lake)
    store = home.warehouse
    put_catalogue(store)
    put_messages(home)
    lena = {"1": "Zzyzxlind", "3": LENA_MAIL, "37": LENA_WRITTEN, "902": "no", "4": "Zzyzxlind"}
    otto = {"contact_id": "700003", "1": "Otto", "3": OTTO_MAIL, "37": OTTO_PHONE, "902": "no"}
    put_raw(
        store,
        [
            {"contact_id": "700001", **lena},
            {"contact_id": "700002", "1": "Zzyzxlind", "3": LENA_OLD_MAIL},
            otto,
            {"contact_id": "700004", "3": SHARED_MAIL, "1": "Frida"},
        ],
    )
    run_window(home, 0)
    put_raw(store, [{"contact_id": "700002", "3": LENA_MAIL, "kind": "changed"}], 1)
    run_window(home, 1)
    _fill_outbox(store)
    _fill_files(home)
    store.publish_pending(at_once=True)
    return home


def _fill_outbox(store: Warehouse) -> None:
    at = FIRST + timedelta(days=1)
    with store.write() as connection:
        for contact_id in ("700001", "700003"):
            values = {"id": contact_id, "at": at, "text": f"Invalid value for {LENA_MAIL}"}
            connection.execute(
                "insert into opt_in_deltas by name select $at::timestamptz as window_start,"
                " 'd-' || $id as delta_id, 'shop' as account, $id as contact_id, 'i' as"
                " identity_id, '902' as field_id, 'yes' as new_value, 'granted' as reason,"
                " 'ev-lena' as event_id, '' as predecessor, $at::timestamptz as derived_at,"
                " 'run' as run_id where $id = '700001' or $id = '700003' and $id <> ''",
                {"id": contact_id, "at": at},
            )
            connection.execute(
                "insert into opt_in_pushes by name select $at::timestamptz as window_start,"
                " 'shop' as account, 'b' as batch_id, 'd-' || $id as delta_id, $id as contact_id,"
                " '902' as field_id, 'yes' as value, 1 as attempt, 'rejected' as outcome,"
                " false as is_retryable, case when $id = '700001' then $text end as reply_text,"
                " $at::timestamptz as intended_at, $at::timestamptz as settled_at,"
                " 'run' as run_id",
                values,
            )
            connection.execute(
                "insert into opt_in_drift values ('shop', $id, 'i', '902', 'yes', 'no', $at,"
                " case when $id = '700001' then 'ev-lena' else 'ev-otto' end, 'run')",
                {"id": contact_id, "at": at},
            )
        connection.execute(
            "update opt_in_deltas set event_id = 'ev-otto' where contact_id = '700003'"
        )


def _fill_files(home: Home) -> None:
    folder = home.settings.home
    (folder / "downloads").mkdir(parents=True)
    (folder / "downloads" / "left.csv").write_text(
        f"user_id,email\n700001,{LENA_MAIL}\n700003,{OTTO_MAIL}\n"
    )
    (folder / "handover").mkdir()
    (folder / "handover" / "contacts.ndjson").write_text(
        f'{{"id": "p-lena", "phone": "{LENA_PHONE}"}}\n{{"id": "p-otto"}}\n'
    )
    with duckdb.connect() as connection:
        connection.execute(
            "copy (select unnest([$lena, $otto]) as email) to '"
            + str(folder / "handover" / "contacts.parquet")
            + "' (format parquet)",
            {"lena": LENA_MAIL.upper(), "otto": OTTO_MAIL},
        )
    logs = folder / "dagster" / "storage" / "run" / "compute_logs"
    logs.mkdir(parents=True)
    (logs / "step.err").write_text(f"asked for {LENA_MAIL}, then for {OTTO_MAIL}\n")
    with sqlite3.connect(folder / "dagster" / "runs.db") as runs:
        runs.execute("create table runs (id integer primary key, run_body text)")
        for contact_id in ("700001", "700003"):
            runs.execute(
                "insert into runs (run_body) values (?)", (f'{{"contact_id": "{contact_id}"}}',)
            )
    runs.close()


def main() -> None:
    folder, number = Path(sys.argv[1]), int(sys.argv[2])
    home = open_home(folder)
    subject = erasing.look_up(home, LENA_MAIL)

    def killed(_home: Home, _request: ErasureRequest, _now: datetime) -> dict[str, int]:
        os.kill(os.getpid(), signal.SIGKILL)
        return {}

    erasing.STEPS.insert(number, killed)
    erasing.erase(home, subject, now=lambda: datetime(2026, 4, 1, tzinfo=UTC))


if __name__ == "__main__":
    main()
