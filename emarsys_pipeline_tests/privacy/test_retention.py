"""What has been kept for long enough goes; decisions and outcomes stay."""

import os
from datetime import timedelta

import dagster as dg

from emarsys_pipeline.defs.build import build_definitions
from emarsys_pipeline.inbox import Inbox, parse_message
from emarsys_pipeline.privacy.erase import Home
from emarsys_pipeline.privacy.retention import apply_retention
from emarsys_pipeline.settings import RetentionSettings
from emarsys_pipeline_tests.defs.running import run_job
from emarsys_pipeline_tests.privacy.people import LENA_TEXTS
from emarsys_pipeline_tests.stages.deciding import rows
from emarsys_pipeline_tests.stages.landed_rows import FIRST, window

COUNTS = (
    "select (select count(*) from consent_events), (select count(*) from platform_contacts),"
    " (select count(*) from automation_events), (select count(*) from opt_in_pushes),"
    " (select count(*) from rejected_values), (select count(*) from current_contacts)"
)
KEPT = (
    "select (select count(*) from opt_in_pushes where reply_text is not null),"
    " (select count(*) from rejected_values where raw_value is not null),"
    " (select count(*) from automation_events where payload is not null)"
)


def keeping(home: Home, **days: int | None) -> Home:
    """The home with these settings, and everything else kept."""
    nothing = {name: None for name in RetentionSettings.model_fields if name.endswith("_days")}
    retention = RetentionSettings.model_validate({**nothing, **days})
    settings = home.settings.model_copy(update={"retention": retention})
    return Home(warehouse=home.warehouse, settings=settings)


def test_old_wording_goes_and_facts_stay(home: Home) -> None:
    old = FIRST.timestamp()
    left = home.settings.downloads / "left.csv"
    os.utime(left, (old, old))
    ten = dict.fromkeys(
        (
            *("messages_days", "consent_messages_days", "unreadable_days", "reply_texts_days"),
            *("rejected_values_days", "automation_payloads_days", "downloads_days"),
        ),
        10,
    )
    late = parse_message("contact", {"platform_contact_id": "p-late", "event_id": "late"})
    with Inbox(home.settings.inbox_path) as inbox:
        inbox.put([late], source="webhook", received_at=window(1).start)
    before = rows(home.warehouse, COUNTS)

    removed = apply_retention(keeping(home, **ten), now=lambda: FIRST + timedelta(days=30))

    assert removed == {
        "reply_texts_days": 1,
        "rejected_values_days": 1,
        "automation_payloads_days": 2,
        "messages_days": 4,
        "consent_messages_days": 3,
        "unreadable_days": 0,  # received by the clock of this machine, later than the rest
        "downloads_days": 1,
    }
    assert rows(home.warehouse, COUNTS) == before
    assert rows(home.warehouse, KEPT) == [(0, 0, 0)]
    assert not left.exists()
    with Inbox(home.settings.inbox_path) as inbox:
        # The message that no run has taken in yet is the only one left.
        assert inbox.fetch("contact").column("message_id").to_pylist() == ["late"]
        assert inbox.counts["consent"] == inbox.counts["automation"] == 0
    inbox_bytes = home.settings.inbox_path.read_bytes()
    assert not [text for text in LENA_TEXTS[:1] if text.encode() in inbox_bytes]
    again = apply_retention(keeping(home, **ten), now=lambda: FIRST + timedelta(days=30))
    assert set(again.values()) == {0}


def test_what_is_young_or_kept_for_ever_stays(home: Home) -> None:
    counts, kept = rows(home.warehouse, COUNTS), rows(home.warehouse, KEPT)

    young = apply_retention(
        keeping(home, reply_texts_days=30), now=lambda: FIRST + timedelta(days=20)
    )
    nothing = apply_retention(keeping(home), now=lambda: FIRST + timedelta(days=9999))

    assert (young, nothing) == ({"reply_texts_days": 0}, {})
    assert (rows(home.warehouse, COUNTS), rows(home.warehouse, KEPT)) == (counts, kept)


def test_the_job_applies_the_settings(home: Home, instance: dg.DagsterInstance) -> None:
    definitions = build_definitions(keeping(home, rejected_values_days=1).settings)

    assert run_job(definitions, instance, "retention").success

    assert rows(home.warehouse, "select count(raw_value) from rejected_values") == [(0,)]
