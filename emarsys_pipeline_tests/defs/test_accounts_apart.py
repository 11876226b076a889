"""Two accounts whose segments have equal ids, in one run: neither is touched by the other."""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from emarsys_pipeline.defs.build import build_definitions
from emarsys_pipeline.defs.partitions import SEGMENTS_NAME, import_range_tags, multi_key
from emarsys_pipeline.emarsys import EmarsysClient, WsseCredentials
from emarsys_pipeline.sandbox.process import Sandbox, running_sandbox
from emarsys_pipeline.sandbox.serve import Credentials
from emarsys_pipeline.settings import Settings
from emarsys_pipeline.warehouse import Warehouse
from emarsys_pipeline.windows import Window
from emarsys_pipeline_tests.defs.conftest import MakeSettings
from emarsys_pipeline_tests.defs.running import failure_of, run_job
from emarsys_pipeline_tests.stages.landed_rows import table

READERS, CUSTOMERS = "100400101", "100400102"
GOOD, BAD = "shop_at", "shop_de"
KEYS = [f"{account}-{segment}" for account in (GOOD, BAD) for segment in (READERS, CUSTOMERS)]
BLOCKED_SECONDS = 6
Sandboxes = dict[str, Sandbox]


@pytest.fixture(scope="module")
def sandboxes() -> Iterator[Sandboxes]:
    other = Credentials(username="other001", secret="other-secret")
    with (
        running_sandbox(contacts=80, seed=3) as good,
        running_sandbox(contacts=120, seed=5, credentials=other) as bad,
    ):
        yield {GOOD: good, BAD: bad}


@pytest.fixture
def settings(
    make_settings: MakeSettings, sandboxes: Sandboxes, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    accounts = []
    template = make_settings().accounts[0].model_dump(mode="json", by_alias=True)
    for name, sandbox in sandboxes.items():
        monkeypatch.setenv(f"{name}_username".upper(), sandbox.username)
        monkeypatch.setenv(f"{name}_secret".upper(), sandbox.secret)
        connection = {
            "auth": "wsse",
            "username": f"${{{name.upper()}_USERNAME}}",
            "secret": f"${{{name.upper()}_SECRET}}",
        }
        own = {"name": name, "base_url": sandbox.url, "connection": connection}
        accounts.append({**template, **own, "segments": [READERS, CUSTOMERS]})
    start = (datetime.now(UTC) - timedelta(days=2)).date()
    return make_settings(
        accounts=accounts,
        windows={"start": f"{start}"},
        imports={"export_poll_seconds": 0.05},
    )


def newest(settings: Settings) -> Window:
    window = settings.windows.grid.newest_closed(datetime.now(UTC))
    assert window is not None
    return window


def held(settings: Settings) -> dict[tuple[str, str], dict[str, str | None]]:
    """The first names stored by account and segment, by contact."""
    rows: dict[tuple[str, str], dict[str, str | None]] = {}
    for account, segment_id, contact_id, name in table(
        Warehouse(settings.warehouse_directory),
        "select account, segment_id, contact_id, first_name from mapped_contacts",
    ):
        rows.setdefault((account, segment_id), {})[contact_id] = name
    return rows


def expected(sandbox: Sandbox, segment_id: str) -> dict[str, str | None]:
    """The members of a segment with their first names, as the sandbox holds them."""
    credentials = WsseCredentials(sandbox.username, sandbox.secret)
    with EmarsysClient(credentials, base_url=sandbox.url) as client:
        names = sandbox.field_values("1")
        return {
            each: names[each] or None
            for page in client.segment_contact_ids(segment_id)
            for each in page
        }


def run(settings: Settings, instance: dg.DagsterInstance, job: str) -> dg.ExecuteInProcessResult:
    tags = import_range_tags(KEYS, newest(settings))
    return run_job(build_definitions(settings), instance, job, tags=tags)


def test_an_account_in_trouble_holds_up_and_spoils_no_other(
    settings: Settings, sandboxes: Sandboxes, instance: dg.DagsterInstance
) -> None:
    instance.add_dynamic_partitions(SEGMENTS_NAME, KEYS)
    window = newest(settings)
    bad = sandboxes[BAD]
    bad.set_fault(
        "rate_limited", "GET filter/{id}/contacts/count", wait_seconds=BLOCKED_SECONDS, times=1
    )
    bad.set_fault("forbidden", "POST export/filter", segment=CUSTOMERS, times=None)

    first = run(settings, instance, "segment_import")

    assert {rule["name"]: rule["met"] > 0 for rule in bad.faults()} == {
        "rate_limited": True,
        "forbidden": True,
    }
    bad.clear_faults()
    # Partitions and failures: one of four failed, by name.
    message = failure_of(first, "import_segments")
    assert message.startswith(f"{BAD}-{CUSTOMERS}|{window.key} did not land.")
    landed = [multi_key(key, window.key) for key in KEYS if key != f"{BAD}-{CUSTOMERS}"]
    for asset in ("raw_segment_exports", "mapped_contacts"):
        assert sorted(instance.get_materialized_partitions(dg.AssetKey(asset))) == sorted(landed)
    assert held(settings) == {
        (GOOD, READERS): expected(sandboxes[GOOD], READERS),
        (GOOD, CUSTOMERS): expected(sandboxes[GOOD], CUSTOMERS),
        (BAD, READERS): expected(bad, READERS),
    }
    # Rate limits: only one account waited, and the other was through by then.
    times = dict(
        table(
            Warehouse(settings.warehouse_directory),
            "select account || '-' || segment_id, landed_at from segment_imports",
        )
    )
    slow = times.pop(f"{BAD}-{READERS}")
    assert len(times) == 2
    assert max(times.values()) < slow
    with sqlite3.connect(settings.rate_limit_path) as connection:
        blocked = connection.execute(
            "select count(*), sum(blocked_until > 0) from limits"
        ).fetchall()
    assert blocked == [(2, 1)]

    missing = run_job(
        build_definitions(settings),
        instance,
        "segment_import",
        partition=multi_key(f"{BAD}-{CUSTOMERS}", window.key),
    )
    assert missing.success
    complete = held(settings)
    assert complete[(BAD, CUSTOMERS)] == expected(bad, CUSTOMERS)

    # A whole account that refuses us: its rows stay, the other's are fetched anew.
    bad.set_fault("unauthorized", times=None)
    names = {each: {"1": "Silent"} for each in complete[(GOOD, READERS)]}
    sandboxes[GOOD].import_silently(names)
    result = run(settings, instance, "segment_reconciliation")
    bad.clear_faults()
    failed = failure_of(result, "import_segments")
    both = f"{BAD}-{READERS}|{window.key}, {BAD}-{CUSTOMERS}|{window.key}"
    assert failed.startswith(f"{both} did not land. What to do: ")
    after = held(settings)
    assert set(after[(GOOD, READERS)].values()) == {"Silent"}
    assert {key: rows for key, rows in after.items() if key[0] == BAD} == {
        key: rows for key, rows in complete.items() if key[0] == BAD
    }
