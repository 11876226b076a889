"""An import that fails under the real daemon reaches a real web server and a real mail server."""

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from emarsys_pipeline.cli.metrics import StandingCollector
from emarsys_pipeline.cli.standing import look
from emarsys_pipeline.sandbox.process import running_sandbox
from emarsys_pipeline.settings import load_settings
from emarsys_pipeline_tests.alerts.receivers import mail_receiver, web_receiver
from emarsys_pipeline_tests.alerts.test_alerts import SETTINGS
from emarsys_pipeline_tests.defs.dagster_dev import running_dagster


@pytest.mark.slow
def test_a_failing_import_is_told_by_the_daemon(tmp_path: Path) -> None:
    """The API user may not read one segment, so its initial import fails."""
    path = tmp_path / "emarsys_pipeline.yaml"
    with (
        web_receiver() as web,
        mail_receiver() as mail,
        running_sandbox(contacts=100) as sandbox,
    ):
        sandbox.set_fault("forbidden", segment="100400101", times=None)
        text = SETTINGS.format(home=tmp_path / "home", port=mail.port)
        path.write_text(text.replace("http://127.0.0.1:9", sandbox.url))
        environment = {
            "EMARSYS_PIPELINE_CONFIG": str(path),
            "TEST_ALERT_URL": web.url,
            "TEST_NO_USERNAME": sandbox.username,
            "TEST_NO_SECRET": sandbox.secret,
        }
        settings = load_settings(path)
        with running_dagster(settings.dagster_home, environment) as dagster:
            dagster.wait_for("alert", lambda: web.received and mail.received, seconds=120)
            found = look(settings)
            registry = CollectorRegistry()
            registry.register(StandingCollector(settings))
            measured = generate_latest(registry).decode()
    told = web.received[0]
    assert told["severity"] == "error"
    assert told["what"].startswith("run of segment_import for ")
    assert "shop_de-100400101|20" in told["text"]
    # Which of the forbidden calls is refused first is a matter of threads.
    assert re.match(r"Switch [a-z.]+ on for this API user", told["what_to_do"])
    assert "/runs/" in told["run_url"]
    assert mail.received[0]["Subject"] == told["title"]
    assert found.health is not None
    assert {(each.kind, each.name, each.is_on) for each in found.health.automations} >= {
        ("schedule", "segment_import_schedule", True),
        ("sensor", "alerts", True),
        ("sensor", "opt_in", True),
        ("sensor", "segment_catalogue", True),
        ("sensor", "stage_automation", True),
    }
    assert found.failing == []
    assert not found.is_daemon_dead
    assert [row["what"] for row in found.alerts["open"]] == [told["what"]]
    assert "emarsys_pipeline_daemon_alive 1.0" in measured
    assert 'emarsys_pipeline_automation_failing{kind="sensor",name="opt_in"} 0.0' in measured
