"""Two daemons on one home, which nobody should start and somebody will."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from emarsys_pipeline.inbox import Inbox, parse_message
from emarsys_pipeline.sandbox.process import Sandbox, running_sandbox
from emarsys_pipeline.warehouse import Warehouse
from emarsys_pipeline_tests.defs.dagster_dev import ROOT, environment_of, running_dagster
from emarsys_pipeline_tests.defs.test_daemon import OPT_IN_FIELD, SETTINGS

# More turns take longer and prove the same: each is a chance to push one decision twice.
TURNS = ("granted", "withdrawn", "granted")

OUTCOMES = """
select contact_id, new_value, outcome, attempts from opt_in_deliveries where outcome <> 'superseded'
"""


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox(contacts=300) as running:
        yield running


@contextmanager
def second_daemon(home: Path, environment: dict[str, str]) -> Iterator[Path]:
    """Another daemon with the same DAGSTER_HOME; yields its log."""
    log = home / "second_daemon.log"
    program = Path(sys.executable).with_name("dagster-daemon")
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [str(program), "run", "-w", str(ROOT / "workspace.yaml")],
            cwd=home,
            env=environment_of(home, environment),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield log
            assert process.poll() is None, log.read_text()
        finally:
            process.terminate()
            process.wait(60)


@pytest.mark.slow
def test_each_decision_is_written_once_and_in_order_though_two_daemons_run(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    settings_path, home = tmp_path / "emarsys_pipeline.yaml", tmp_path / "home"
    settings_path.write_text(
        SETTINGS.format(
            home=home,
            interval=2,
            url=sandbox.url,
            start=f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}T00:00:00Z",
        ).replace("length_minutes: 1", "length_minutes: 720")
    )
    environment = {
        "EMARSYS_PIPELINE_CONFIG": str(settings_path),
        "TEST_EMARSYS_USERNAME": sandbox.username,
        "TEST_EMARSYS_SECRET": sandbox.secret,
    }
    before = sandbox.field_values(OPT_IN_FIELD)
    warehouse = Warehouse(home)

    def people() -> int:
        if not warehouse.is_published:
            return 0
        with warehouse.read_published() as connection:
            ((count,),) = connection.execute("select count(*) from identities").fetchall()
        return int(count)

    with (
        running_dagster(tmp_path / "dagster", environment) as dagster,
        second_daemon(tmp_path / "dagster", environment) as second,
        Inbox(home / "inbox.sqlite") as inbox,
    ):
        dagster.wait_for("stitched identities", people, seconds=240)
        deciding: list[str] = []
        for status in TURNS:
            chosen = {"contact_ids": deciding} if deciding else {"count": 20}
            events = sandbox.decide(status, **chosen)
            deciding = [event["platform_contact_id"] for event in events]
            inbox.put([parse_message("consent", event) for event in events], source="webhook")

            def all_show(status: str = status) -> bool:
                now = sandbox.field_values(OPT_IN_FIELD)
                changed = {now[each] for each in now if now[each] != before[each]}
                return changed == {status}

            dagster.wait_for(f"{status} in Emarsys", all_show, seconds=120)
        assert b"Shutting down" not in second.read_bytes()

    with warehouse.read() as connection:
        outcomes = connection.execute(OUTCOMES).fetchall()
    written: dict[str, list[str]] = {}
    for write in sandbox.log(field=OPT_IN_FIELD):
        written.setdefault(write["contact_id"], []).append(write["value"])
    assert written
    # What a contact shows already is not written.
    assert written == {
        each: list(TURNS[1:] if before[each] == TURNS[0] else TURNS) for each in written
    }
    assert {(outcome, attempts) for *_, outcome, attempts in outcomes} == {("accepted", 1)}
    assert len(outcomes) == sum(map(len, written.values()))
