"""``segments reconcile``: a full import now, recorded by Dagster; ``rebuild``: from raw rows."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from emarsys_pipeline.sandbox.process import Sandbox, running_sandbox
from emarsys_pipeline.settings import load_settings
from emarsys_pipeline.warehouse import Warehouse
from emarsys_pipeline_tests.cli.running import Run, make_run, write_settings

READERS, COMBINED = "100400101", "100400106"
LANDED = "select segment_id, mode, run_id from segment_imports order by segment_id"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox(contacts=120, seed=3) as running:
        yield running


@pytest.fixture
def run(
    sandbox: Sandbox,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    start = datetime.now(UTC) - timedelta(days=2)
    write_settings(
        tmp_path, sandbox, monkeypatch, change=("2026-01-01T00:00:00Z", f"{start:%Y-%m-%d}")
    )
    monkeypatch.setenv("COLUMNS", "160")
    return make_run(capsys, monkeypatch)


def landed() -> list[tuple[str, str, str]]:
    with Warehouse(load_settings(None).warehouse_directory).read() as connection:
        return connection.execute(LANDED).fetchall()


def test_a_segment_is_imported_in_full_again_and_dagster_knows_the_run(
    run: Run, sandbox: Sandbox
) -> None:
    first = run("segments", "reconcile", READERS, "--json").json
    settings = load_settings(None)
    window = settings.windows.grid.newest_closed(datetime.now(UTC))
    assert window is not None
    assert first == {
        "account": "shop_de",
        "segment_id": READERS,
        "window": window.key,
        "mode": "full",
        "members": first["new"],
        "new": first["members"],
        "changed": 0,
        "left": 0,
    }
    assert first["members"] > 0
    ((_, _, first_run),) = landed()

    rebuilt = run("rebuild", "--json").json
    assert rebuilt == [
        {
            "account": "shop_de",
            "from_window": window.key,
            "partitions": 1,
            "raw_rows": first["members"],
            "current_contacts": first["members"],
            "differing": 0,
        }
    ]
    ids = [
        row["contact_id"] for row in sandbox.control("GET", "contacts/values", {"field": "1"})[:200]
    ]
    sandbox.import_silently({each: {"1": "Silent"} for each in ids})

    again = run("segments", "reconcile", READERS)

    assert again.exit_code == 0
    assert f"segment {READERS} of shop_de in window {window.key}" in again.output
    ((_, mode, second_run),) = landed()
    assert (mode, second_run != first_run) == ("full", True)
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        key = f"shop_de-{READERS}|{window.key}"
        (newest,) = instance.fetch_materializations(
            dg.AssetRecordsFilter(dg.AssetKey("mapped_contacts"), asset_partitions=[key]), limit=1
        ).records
        assert newest.run_id == second_run
        assert newest.asset_materialization is not None
        metadata = newest.asset_materialization.metadata
        assert metadata["read"].value == first["members"]
        recorded = instance.get_run_by_id(second_run)
        assert recorded is not None
        assert recorded.job_name == "segment_reconciliation"
        assert recorded.tags["in_full"] == "true"


def test_a_segment_is_named_as_the_settings_name_it_and_others_are_refused(run: Run) -> None:
    ran = run("segments", "reconcile", "VIP customers", "--json")
    assert (ran.exit_code, ran.json["segment_id"]) == (0, "100400102")
    refused = run("segments", "reconcile", COMBINED)
    assert refused.exit_code == 1
    assert f'have no segment "{COMBINED}"' in refused.errors
    assert f"{READERS} (Newsletter readers), 100400102 (VIP customers)" in refused.errors


def test_a_segment_that_is_not_taken_keeps_what_had_landed(run: Run, sandbox: Sandbox) -> None:
    run("segments", "reconcile", READERS)
    before = landed()
    sandbox.set_fault("extra_csv_column", "GET export/{id}/data", times=None)
    try:
        ran = run("segments", "reconcile", READERS)
    finally:
        sandbox.clear_faults()
    assert ran.exit_code == 1
    assert "field columns instead of" in ran.errors
    assert landed() == before


def test_spoilt_tables_are_rebuilt_and_published(run: Run) -> None:
    run("segments", "reconcile", READERS)
    warehouse = Warehouse(load_settings(None).warehouse_directory, publish_interval_seconds=0)
    with warehouse.write() as connection:
        connection.execute("update current_contacts set first_name = 'spoilt' where is_member")
        ((contacts,),) = connection.execute("select count(*) from current_contacts").fetchall()
    assert run("query", "select count(*) from contacts where first_name = 'spoilt'", "--json").json
    told = run("rebuild", "--account", "shop_de")
    assert told.exit_code == 0
    assert "Contacts differ from before" in told.output
    assert f"{contacts:,}" in told.output
    spoilt = "select count(*) as spoilt from contacts where first_name = 'spoilt'"
    assert run("query", spoilt, "--json").json == [{"spoilt": 0}]
    refused = run("rebuild", "--account", "shop_at")
    assert (refused.exit_code, "there is no account shop_at" in refused.errors) == (1, True)
