"""A whole window at DEBUG level: no secret and no person in any log, event or metadata."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from emarsys_pipeline.defs.build import build_definitions
from emarsys_pipeline.defs.partitions import import_range_tags
from emarsys_pipeline.inbox import ConsentMessage, Inbox
from emarsys_pipeline.sandbox.process import Sandbox, running_sandbox
from emarsys_pipeline_tests.defs.conftest import MakeSettings
from emarsys_pipeline_tests.defs.running import run_assets, run_job

NEWSLETTER = "shop_de-100400101"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox(contacts=200, seed=5) as running:
        yield running


def personal_data(sandbox: Sandbox) -> set[str]:
    """Addresses and numbers of both sides; the account's junk values ("0", "-") are no data."""
    held = [
        value
        for field in ("3", "15", "37")
        for value in sandbox.field_values(field).values()
        if value
    ]
    held += [
        row[kind] for row in sandbox.platform_contacts() for kind in ("phone", "email") if row[kind]
    ]
    return {value.strip() for value in held if len(value.strip()) > 6}


def test_a_window_logs_no_secret_and_no_person(
    make_settings: MakeSettings,
    sandbox: Sandbox,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("TEST_EMARSYS_USERNAME", sandbox.username)
    monkeypatch.setenv("TEST_EMARSYS_SECRET", sandbox.secret)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    settings = make_settings(
        account={"base_url": sandbox.url, "segments": [100400101]},
        windows={"start": today - timedelta(days=2)},
        imports={"export_poll_seconds": 0.05},
    )
    grid = settings.windows.grid
    window = grid.newest_closed(datetime.now(UTC))
    assert window is not None
    definitions = build_definitions(settings)
    instance.add_dynamic_partitions("emarsys_segment", [NEWSLETTER])
    decisions = [
        ConsentMessage(
            event_id=row["event_id"],
            platform_contact_id=row["platform_contact_id"],
            phone=row.get("phone"),
            email=row.get("email"),
            channel=row["channel"],
            status=row["status"],
            occurred_at=datetime.fromisoformat(row["occurred_at"]),
        )
        for row in sandbox.decide("granted", count=20)
    ]
    with Inbox(settings.inbox_path) as inbox:
        inbox.put(decisions, source="webhook")
    sandbox.set_fault("permanent_partial_errors", "PUT contact", count=3)

    runs = [
        run_job(
            definitions, instance, "segment_import", tags=import_range_tags([NEWSLETTER], window)
        ),
        run_assets(definitions, instance, ["stitched_identities"], window.key),
        run_job(definitions, instance, "opt_in_sync", partition=grid.at(datetime.now(UTC)).key),
        run_job(definitions, instance, "account_ready"),
    ]

    pushed = [value for value in sandbox.field_values("10500").values() if value == "granted"]
    assert ([run.success for run in runs], len(pushed) > 0) == ([True] * 4, True)
    kept = "\n".join(
        f"{entry.user_message} {entry.dagster_event}"
        for run in runs
        for entry in instance.all_logs(run.run_id)
    )
    assert "PUT contact/ -> HTTP 200" in caplog.text
    words = personal_data(sandbox) | {sandbox.secret, "PasswordDigest"}
    assert len(words) > 200
    assert sorted(word for word in words if word in caplog.text) == []
    assert sorted(word for word in words if word in kept) == []
