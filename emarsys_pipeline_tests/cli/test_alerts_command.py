"""``alerts``, ``metrics`` and the parts of ``status`` that tell of Dagster."""

from pathlib import Path

import pytest

from emarsys_pipeline.clock import utc_now
from emarsys_pipeline.settings import load_settings
from emarsys_pipeline.warehouse import Warehouse
from emarsys_pipeline_tests.alerts.receivers import mail_receiver, web_receiver
from emarsys_pipeline_tests.alerts.test_alerts import SETTINGS
from emarsys_pipeline_tests.builders import add_contact
from emarsys_pipeline_tests.cli.running import Run, make_run


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    return make_run(capsys, monkeypatch)


def _settings(folder: Path, monkeypatch: pytest.MonkeyPatch, *, url: str, port: int) -> Path:
    path = folder / "emarsys_pipeline.yaml"
    path.write_text(SETTINGS.format(home=folder / "home", port=port))
    monkeypatch.setenv("EMARSYS_PIPELINE_CONFIG", str(path))
    monkeypatch.setenv("TEST_ALERT_URL", url)
    return path


def test_a_test_message_reaches_every_target(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with web_receiver() as web, mail_receiver() as mail:
        _settings(tmp_path, monkeypatch, url=web.url, port=mail.port)
        assert run("alerts", "test").output == "chat: sent\non_call: sent\n"
        web.refuse = [410]
        refused = run("alerts", "test", "--json")
        assert refused.exit_code == 1
        assert refused.json == [
            {"target": "chat", "error": "chat answered HTTP 410"},
            {"target": "on_call", "error": None},
        ]
    assert [told["what_to_do"] for told in web.received] == ["Nothing: this is a test."]
    assert len(mail.received) == 2
    assert run("alerts", "list", "--json").json == {
        "open": [],
        "targets": {
            "chat": {"waiting": 0, "last_error": None},
            "on_call": {"waiting": 0, "last_error": None},
        },
    }


def test_without_a_target_the_test_says_where_to_write_one(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _settings(tmp_path, monkeypatch, url="http://127.0.0.1:9", port=9)
    path.write_text(path.read_text().split("alerts:")[0])
    result = run("alerts", "test")
    assert result.exit_code == 1
    assert "under alerts in the settings file" in result.errors


def test_metrics_measure_what_status_shows(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _settings(tmp_path, monkeypatch, url="http://127.0.0.1:9", port=9)
    empty = run("metrics")
    assert empty.exit_code == 0
    assert "emarsys_pipeline_alerts_open 0.0" in empty.output
    settings = load_settings(path)
    newest = settings.windows.grid.newest_closed(utc_now())
    assert newest is not None
    warehouse = Warehouse(settings.warehouse_directory, publish_interval_seconds=0)
    warehouse.migrate()
    start = newest.start - 2 * settings.windows.grid.length
    with warehouse.write() as connection:
        add_contact(connection, "1")
        add_contact(connection, "2")
        connection.execute(
            "insert into segment_imports by name select 'shop_de' as account, '1' as segment_id,"
            " $start::timestamptz as window_start, 'full' as mode, now() as requested_at,"
            " $start::timestamptz as landed_at, 7 as members, 7 as rows_delivered, 7 as entered,"
            " 0 as departed, 0 as changed, []::varchar[] as export_ids, 3 as api_calls,"
            " 0 as bytes_downloaded, 1.0 as seconds, 'run' as run_id",
            {"start": start},
        )
        connection.execute(
            "insert into rejected_values by name select 'shop_de' as account, '1' as segment_id,"
            " $start::timestamptz as window_start, '1' as contact_id, 'email' as property,"
            " '3' as field_id, 'x' as raw_value, 'no e-mail address' as reason",
            {"start": start},
        )
        for outcome, contact in (("pending", "1"), ("rejected", "2")):
            connection.execute(
                "insert into opt_in_deltas by name select $start::timestamptz as window_start,"
                " 'd' || $contact as delta_id, 'shop_de' as account, $contact as contact_id,"
                " 'i' as identity_id, '10500' as field_id, 'granted' as new_value,"
                " 'granted' as reason, 'e' as event_id, '' as predecessor,"
                " now() - interval 1 hour as derived_at, 'run' as run_id",
                {"start": start, "contact": contact},
            )
            if outcome == "pending":
                continue
            connection.execute(
                "insert into opt_in_pushes by name select $start::timestamptz as window_start,"
                " 'shop_de' as account, 'b' as batch_id, 'd2' as delta_id, '2' as contact_id,"
                " '10500' as field_id, 'granted' as value, 1 as attempt, 'rejected' as outcome,"
                " false as is_retryable, now() as intended_at, now() as settled_at,"
                " 'run' as run_id",
                {"start": start},
            )
    lines = run("metrics").output.splitlines()
    for line in (
        'emarsys_pipeline_segment_windows_behind{segment="shop_de-1"} 2.0',
        'emarsys_pipeline_segment_contacts{segment="shop_de-1"} 7.0',
        'emarsys_pipeline_contacts_with_rejected_values_ratio{account="shop_de"} 0.5',
        'emarsys_pipeline_opt_in_values{account="shop_de",outcome="pending"} 1.0',
        'emarsys_pipeline_dead_letters{account="shop_de"} 1.0',
        'emarsys_pipeline_alerts_waiting{target="chat"} 0.0',
    ):
        assert line in lines
    (age,) = [line for line in lines if line.startswith("emarsys_pipeline_outbox_oldest_age")]
    assert 3600 <= float(age.split()[-1]) < 3700
    landed = 'emarsys_pipeline_segment_last_import_timestamp_seconds{segment="shop_de-1"}'
    (line,) = [line for line in lines if line.startswith(landed)]
    assert float(line.split()[-1]) == start.timestamp()
    assert run("metrics", "--to", str(tmp_path / "pipeline.prom")).output == ""
    assert 'segment="shop_de-1"' in (tmp_path / "pipeline.prom").read_text()
    told = run("status", "--json")
    assert told.exit_code == 1
    assert (told.json["segments_behind"], told.json["dead_letters"]) == (1, 1)
    assert told.json["windows_behind"] == {"shop_de-1": 2}
    assert "Dagster has not run here yet." in run("status").output
