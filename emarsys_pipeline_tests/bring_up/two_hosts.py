"""Two hosts that share no files work together, and one of them is lost in the middle of a run.

    python -m emarsys_pipeline_tests.bring_up.two_hosts

Needs to be root, for network namespaces (``laboratory.py``). Runs of two accounts and of different
windows execute at the same time on different hosts. Then a host's worker is killed with SIGKILL in
the middle of a run, while people decide. The exit code is 1 unless the run is repeated on the other
host, every decision stands in Emarsys, and the lake holds every import once.
"""

import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from emarsys_pipeline.windows import Window
from emarsys_pipeline_tests.bring_up import proof
from emarsys_pipeline_tests.bring_up.deployment import PLATFORM_SECRET
from emarsys_pipeline_tests.bring_up.laboratory import (
    ACCOUNTS,
    WORKER,
    Laboratory,
    Run,
    laboratory,
)

SLOW_SECONDS = 1.5


def work_at_the_same_time(lab: Laboratory) -> Window:
    """Runs of different accounts and windows, on different hosts, in one and the same moment."""
    first = lab.closed_window(None)
    lab.wait_for(
        "first import", lambda: [run for run in lab.runs().values() if run.status == "SUCCESS"]
    )
    lab.tell("both accounts were imported")
    lab.sandbox.set_fault("slow_answer", "*", times=None, wait_seconds=SLOW_SECONDS)
    last = first
    for _ in range(4):
        earlier = lab.closed_window(last)
        last = lab.closed_window(earlier)
        launched = [lab.launch("shop_de", earlier), lab.launch("shop_at", last)]
        one, other = lab.ended(*launched)
        hosts = [lab.host_of(one), lab.host_of(other)]
        together = min(one.ended_at, other.ended_at) - max(one.started_at, other.started_at)
        lab.tell(
            f"shop_de in {earlier.key} on {hosts[0]}, shop_at in {last.key} on {hosts[1]}:"
            f" {max(together, 0):.1f} s at the same time"
        )
        if together > 0 and len(set(hosts)) == len(hosts):
            return last
    raise AssertionError("no two runs were executed at the same time on different hosts")


def lose_a_host(lab: Laboratory, last: Window) -> None:
    """Kill a worker in the middle of a run; the run is repeated on the other host."""
    earlier = lab.closed_window(last)
    launched = [lab.launch(account, earlier) for account in ACCOUNTS]

    def in_the_middle() -> tuple[Run, str] | None:
        for run_id in launched:
            run = lab.runs().get(run_id)
            host = None if run is None else lab.host_of(run)
            if run is not None and run.status == "STARTED" and host is not None:
                return run, host
        return None

    run, host = lab.wait_for("run in the middle", in_the_middle)
    events = lab.sandbox.decide("granted", count=proof.PEOPLE)
    for number, event in enumerate(events):
        if number == len(events) // 2:
            lab.workers[host].kill(WORKER)
            killed_at = time.time()
        assert proof.send(lab.deployment, event, secret=PLATFORM_SECRET).ok
    lab.tell(f"killed the worker of {host} in the middle of run {run.run_id[:8]}")

    def repeated() -> Run | None:
        for each in lab.runs().values():
            is_ours = each.tags.get("dagster/root_run_id") == run.run_id
            if is_ours and each.run_id != run.run_id and each.status == "SUCCESS":
                return each
        return None

    again: Run = lab.wait_for("repeated run", repeated)
    assert lab.runs()[run.run_id].status == "FAILURE"
    other = lab.host_of(again)
    assert other is not None
    assert other != host
    lab.tell(f"repeated on {other}, done {time.time() - killed_at:.0f} s after the kill")
    lab.sandbox.clear_faults()
    others = [each for each in launched if each != run.run_id]
    _await_success(lab, others)
    _await_consent(lab, {event["event_id"] for event in events})


def _await_consent(lab: Laboratory, sent: set[str]) -> None:
    """Wait until each decision is in the ledger, once, and what follows from it in Emarsys."""

    def decided() -> list[str]:
        rows = lab.ask("select event_id from consent_history where step = 'decision'")
        return [row["event_id"] for row in rows if row["event_id"] in sent]

    kept = lab.wait_for("all decisions", lambda: len(found := decided()) >= len(sent) and found)
    assert sorted(kept) == sorted(sent)

    def delivered() -> dict[str, str] | None:
        rows = lab.ask("select contact_id, new_value, outcome from opt_in_deliveries")
        is_over = rows and {row["outcome"] for row in rows} <= {"accepted", "superseded"}
        values = {
            row["contact_id"]: row["new_value"] for row in rows if row["outcome"] == "accepted"
        }
        return values if is_over else None

    expected: dict[str, str] = lab.wait_for("answers to all opt-in values", delivered)
    held = proof.opt_ins(lab.sandbox)
    assert {each: held.get(each) for each in expected} == expected
    lab.tell(
        f"decisions sent around the kill: {len(sent)}, each once in the ledger; opt-in values"
        f" that follow: {len(expected)}, all of them in Emarsys"
    )


def _await_success(lab: Laboratory, run_ids: list[str]) -> None:
    """Wait until each of these runs, or a repetition of it, has succeeded."""

    def look() -> bool:
        done = {
            each.tags.get("dagster/root_run_id", each.run_id)
            for each in lab.runs().values()
            if each.status == "SUCCESS"
        }
        return set(run_ids) <= done

    lab.wait_for("success of the other runs", look)


def nothing_is_lost(lab: Laboratory) -> None:
    """The lake holds each import once, and the members of each segment as Emarsys does."""
    imports = lab.ask(
        "select account, window_start, count(*) as times from segment_imports"
        " group by all order by all"
    )
    assert {row["times"] for row in imports} == {1}, imports
    held = {
        row["account"]: (row["contacts"], row["distinct_contacts"])
        for row in lab.ask(
            "select account, count(*) as contacts, count(distinct contact_id) as"
            " distinct_contacts from contacts where is_member group by account"
        )
    }
    members = {
        row["account"]: row["members"]
        for row in lab.ask(
            "select account, arg_max(members, window_start) as members from segment_imports"
            " group by account"
        )
    }
    assert held == {account: (members[account], members[account]) for account in ACCOUNTS}, held
    lab.tell(f"imports in the lake: {len(imports)}, each once; members by account: {members}")


def prove(folder: Path, tell: Callable[[str], object]) -> None:
    """All of it."""
    with laboratory(folder, tell) as lab:
        last = work_at_the_same_time(lab)
        lose_a_host(lab, last)
        nothing_is_lost(lab)
        by_host: dict[str, int] = {}
        for run in lab.runs().values():
            name = lab.host_of(run)
            if name is not None and run.status == "SUCCESS":
                by_host[name] = by_host.get(name, 0) + 1
        tell(f"successful runs by host: {dict(sorted(by_host.items()))}")


def main() -> None:
    started = time.monotonic()

    def tell(text: str) -> None:
        print(f"{time.monotonic() - started:6.1f} s  {text}", flush=True)  # noqa: T201 - its output

    # Ended from outside, it ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    with tempfile.TemporaryDirectory(prefix="two-hosts-") as folder:
        prove(Path(folder), tell)
    tell("nothing was lost")


if __name__ == "__main__":
    main()
