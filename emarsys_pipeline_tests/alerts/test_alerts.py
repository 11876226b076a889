"""What people are told of failures, how often, and what happens when nobody takes it."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from emarsys_pipeline.alerts import Alert, AlertBook, Finding, deliver
from emarsys_pipeline.alerts.book import RETRY_BASE_SECONDS
from emarsys_pipeline.defs.alerts.sensor import build_alert_sensor, take_notice
from emarsys_pipeline.defs.failures import failure
from emarsys_pipeline.defs.health import Automation
from emarsys_pipeline.emarsys.errors import PermissionMissingError
from emarsys_pipeline.settings import Settings, load_settings
from emarsys_pipeline_tests.alerts.receivers import (
    MailReceiver,
    WebReceiver,
    mail_receiver,
    web_receiver,
)

SETTINGS = """
home: {home}
windows: {{start: 2026-01-01T00:00:00Z}}
accounts:
  - name: shop_de
    base_url: http://127.0.0.1:9
    connection: {{auth: wsse, username: "${{TEST_NO_USERNAME}}", secret: "${{TEST_NO_SECRET}}"}}
    default_region: DE
    segments: [100400101]
    fields: [{{emarsys: email, as: email, identifier: email}}]
alerts:
  interval_seconds: 5
  ui_url: https://dagster.example.org/
  docs_url: https://docs.example.org
  targets:
    - {{kind: webhook, name: chat, url: "${{TEST_ALERT_URL}}"}}
    - kind: email
      name: on_call
      host: 127.0.0.1
      port: {port}
      security: none
      sender: pipeline@example.org
      recipients: [on-call@example.org, second@example.org]
"""
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class World:
    """A table whose stage and whose check can be told to fail, and two receivers."""

    def __init__(
        self, settings: Settings, instance: dg.DagsterInstance, web: WebReceiver, mail: MailReceiver
    ) -> None:
        self.settings = settings
        self.instance = instance
        self.web = web
        self.mail = mail
        self.breaks = ""
        self.severity = dg.AssetCheckSeverity.ERROR

    def run(self, *, breaks: str = "") -> str:
        """Run the table, then let the sensor look; the run's id."""
        self.breaks = breaks

        @dg.asset(check_specs=[dg.AssetCheckSpec("sums_agree", asset="table_of_numbers")])
        def table_of_numbers():  # type: ignore[no-untyped-def]
            if self.breaks == "run":
                refused = PermissionMissingError(method="GET", path="field", http_status=403)
                raise failure({"shop_de-1": refused}, what="did not land", then="Re-run it")
            return dg.MaterializeResult(
                check_results=[
                    dg.AssetCheckResult(
                        passed=self.breaks != "check",
                        severity=self.severity,
                        description="Count again: 3 is not 4." if self.breaks else None,
                    )
                ]
            )

        done = dg.materialize(
            [table_of_numbers], instance=self.instance, raise_on_error=False, run_config=QUIET
        )
        self.look()
        return done.run_id

    def look(self) -> str:
        """One tick of the sensor; what it says."""
        sensor = build_alert_sensor(self.settings)
        said = sensor(dg.build_sensor_context(instance=self.instance))
        assert isinstance(said, dg.SkipReason)
        return str(said.skip_message)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with ExitStack() as stack:
        web = stack.enter_context(web_receiver())
        mail = stack.enter_context(mail_receiver())
        instance = stack.enter_context(dg.DagsterInstance.ephemeral())
        monkeypatch.setenv("TEST_ALERT_URL", web.url)
        path = tmp_path / "emarsys_pipeline.yaml"
        path.write_text(SETTINGS.format(home=tmp_path / "home", port=mail.port))
        yield World(load_settings(path), instance, web, mail)


def test_a_failed_run_is_told_to_every_target_with_what_to_do_first(world: World) -> None:
    run_id = world.run(breaks="run")

    (told,) = world.web.received
    assert told["severity"] == "error"
    assert told["what"] == "run of __ephemeral_asset_job__"
    assert told["what_to_do"].startswith("Switch the endpoint on for this API user")
    assert told["what_to_do"].endswith("Re-run it.")
    assert "shop_de-1 did not land." in told["why"]
    assert told["run_url"] == f"https://dagster.example.org/runs/{run_id}"
    assert told["runbook_url"] == "https://docs.example.org/docs/runbook.md#a-run-failed"
    assert world.web.keys == [told["alert_id"]]
    (mail,) = world.mail.received
    assert mail["Subject"] == "[emarsys_pipeline] error: run of __ephemeral_asset_job__"
    assert mail["To"] == "on-call@example.org, second@example.org"
    lines = mail.get_content().splitlines()
    assert lines[0] == told["what_to_do"]
    assert f"Run: {told['run_url']}" in lines
    assert f"Runbook: {told['runbook_url']}" in lines


@pytest.mark.parametrize("severity", list(dg.AssetCheckSeverity), ids=lambda each: each.value)
def test_a_failed_check_is_told_although_its_run_succeeds(
    world: World, severity: dg.AssetCheckSeverity
) -> None:
    world.severity = severity
    world.run(breaks="check")

    (told,) = world.web.received
    assert told["severity"] == {"ERROR": "error", "WARN": "warning"}[severity.value]
    assert told["what"] == "check sums_agree of table_of_numbers"
    assert told["what_to_do"] == "Count again: 3 is not 4."
    assert told["runbook_url"] == "https://docs.example.org/docs/runbook.md#sums_agree"
    assert told["text"].splitlines()[1] == told["what_to_do"]


def test_warnings_can_be_left_out(world: World) -> None:
    alerts = world.settings.alerts.model_copy(update={"minimum_severity": "error"})
    world.settings = world.settings.model_copy(update={"alerts": alerts})
    world.severity = dg.AssetCheckSeverity.WARN
    world.run(breaks="check")
    assert world.web.received == []
    world.severity = dg.AssetCheckSeverity.ERROR
    world.run(breaks="check")
    assert [told["severity"] for told in world.web.received] == ["error"]


def test_what_stays_is_told_once_and_that_it_is_well_again_once(world: World) -> None:
    for _ in range(3):
        world.run(breaks="check")
    world.look()
    assert len(world.web.received) == len(world.mail.received) == 1
    with AlertBook(world.settings.alerts_path) as book:
        assert [row["repeated"] for row in book.open_subjects()] == [2]
    world.run()
    world.run()
    assert [told["severity"] for told in world.web.received] == ["error", "resolved"]
    assert world.web.received[-1]["repeated"] == 2
    with AlertBook(world.settings.alerts_path) as book:
        assert book.open_subjects() == []
    world.run(breaks="check")
    assert [told["severity"] for told in world.web.received] == ["error", "resolved", "error"]


def test_what_stays_is_told_again_after_a_while(world: World) -> None:
    world.run(breaks="run")
    alerts = world.settings.alerts.model_copy(update={"repeat_after_hours": 0})
    world.settings = world.settings.model_copy(update={"alerts": alerts})
    world.run(breaks="run")
    assert len(world.web.received) == 2


def test_what_a_target_refuses_waits_and_holds_up_no_other(world: World) -> None:
    world.web.refuse = [500, 404]
    world.run(breaks="run")
    assert (len(world.web.received), len(world.mail.received)) == (0, 1)
    assert "0 new messages; 0 sent." in world.look()
    with AlertBook(world.settings.alerts_path) as book:
        assert book.undelivered(["chat", "on_call"]) == {
            "chat": {"waiting": 1, "last_error": "chat answered HTTP 500"},
            "on_call": {"waiting": 0, "last_error": None},
        }
        now = datetime.now(UTC)
        assert book.waiting("chat", now) == []
        (waiting,) = book.waiting("chat", now + timedelta(seconds=RETRY_BASE_SECONDS))
        assert waiting.attempts == 1
        # The second refusal, then the server is well again.
        book.failed(waiting, "again", now - timedelta(hours=2))
        world.web.refuse.clear()
        assert deliver(book, world.settings.alerts.targets).sent == 1
        assert deliver(book, world.settings.alerts.targets).sent == 0
    assert (len(world.web.received), len(world.mail.received)) == (1, 1)


def test_a_server_that_is_gone_is_named_without_its_address(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_ALERT_URL", "http://127.0.0.1:9/secret-path")
    world.run(breaks="run")
    with AlertBook(world.settings.alerts_path) as book:
        said = book.undelivered(["chat"])["chat"]["last_error"]
    assert said == "chat could not be reached: ConnectionError"


def test_mail_is_never_sent_unencrypted_instead_of_encrypted(world: World) -> None:
    """The server here offers no STARTTLS, as one would that somebody has put in between."""
    path = world.settings.path
    assert path is not None
    path.write_text(path.read_text().replace("security: none", "security: starttls"))
    world.settings = load_settings(path)
    world.run(breaks="run")
    with AlertBook(world.settings.alerts_path) as book:
        assert book.undelivered(["on_call"])["on_call"] == {
            "waiting": 1,
            "last_error": "on_call could not be reached: SMTPNotSupportedError",
        }
    assert (len(world.web.received), world.mail.received) == (1, [])


def test_a_secret_that_is_not_set_loses_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEST_ALERT_URL")
    world.run(breaks="run")
    with AlertBook(world.settings.alerts_path) as book:
        found = book.undelivered(["chat"])["chat"]
    assert found["waiting"] == 1
    assert "TEST_ALERT_URL is not set" in found["last_error"]
    assert len(world.mail.received) == 1


def test_a_failing_sensor_is_told_and_that_it_is_well_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def automations(*, is_failing: bool) -> tuple[Automation, ...]:
        at = datetime.now(UTC)
        error = "no such account" if is_failing else ""
        return tuple(
            Automation(
                name=name, kind="sensor", is_on=True, is_failing=is_failing, last_tick_at=at,
                error=error,
            )
            for name in ("opt_in", "alerts")
        )  # fmt: skip

    for is_failing in (False, True, True, False):
        found = automations(is_failing=is_failing)
        monkeypatch.setattr(
            "emarsys_pipeline.defs.alerts.sensor.look_at_automations", lambda _, now=found: now
        )
        world.look()
    assert [(told["severity"], told["what"], told["why"]) for told in world.web.received] == [
        ("error", "sensor opt_in", "no such account"),
        ("resolved", "sensor opt_in", ""),
    ]


def test_a_process_killed_before_it_has_written_down_looks_again(world: World) -> None:
    """Between reading the log and the commit nothing may be remembered of a run."""
    world.settings = world.settings.model_copy(
        update={"alerts": world.settings.alerts.model_copy(update={"targets": ()})}
    )
    world.run(breaks="run")
    alerts = load_settings(world.settings.path).alerts
    found = Finding(
        subject="run:a", what="run of a", severity="error", occurred_at=datetime.now(UTC)
    )
    with AlertBook(world.settings.alerts_path) as book:

        def killed(*_: object) -> Alert:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            book.record(
                [found],
                targets=["chat"],
                compose=killed,
                repeat_after=timedelta(0),
                run=("some run", 1),
            )
        assert book.newest_storage_id() is None
        assert book.open_subjects() == []
        assert take_notice(world.instance, book, alerts) == 1
        assert take_notice(world.instance, book, alerts) == 0
