"""Consent under fire: decisions by webhook, workers, kills and faults; and what must hold after.

Each round lets people decide while something goes wrong, waits until it is quiet, and compares the
sandbox with the set of all decisions so far. First each named point of a kill and each disturbance
comes alone, then three at once, chosen by the seed. Dead letters are sent again every few rounds.

    python -m emarsys_pipeline_tests.drills.consent --minutes 10 [--lake] [--seed N]

With ``--lake`` warehouse, inbox and rate limits are those of several machines, and there is more
that goes wrong: the database crashes, and sessions that hold push locks are ended.

The exit code is 1 when a promise was broken; what was broken is printed with the round and seed.
"""

import argparse
import random
import sys
import time
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from emarsys_pipeline.sandbox.process import running_sandbox
from emarsys_pipeline.stages.opt_in_pushes import replay_dead_letters
from emarsys_pipeline_tests.drills import disturbances as what
from emarsys_pipeline_tests.drills.checks import Found, look
from emarsys_pipeline_tests.drills.people import Crowd, tell
from emarsys_pipeline_tests.drills.stage import Stage, prepared
from emarsys_pipeline_tests.drills.worker import OUTAGES, POINTS_OF_FILE, POINTS_OF_LAKE
from emarsys_pipeline_tests.postgresql import start_postgresql

PEOPLE = 30
DECISIONS_PER_ROUND = 24
GAP_SECONDS = 0.05
SERVICE_DOWN_SECONDS = 0.3
REPLAY_EVERY = 5
# A lock is lost as often as that, or as it is held within the time.
LOST_LOCKS_PER_ROUND, LOSING_LOCKS_SECONDS = 3, 10.0
# How long a round waits for its faults to meet a request.
PATIENCE_SECONDS = 25.0


@dataclass
class Drill:
    """A drill in progress, and what it has counted."""

    stage: Stage
    seed: int
    chosen: tuple[str, ...]
    crowd: Crowd
    log_start: int
    patience_seconds: float
    deaths: Counter[str] = field(default_factory=Counter)
    faults_met: int = 0
    crashes: int = 0
    lost_locks: int = 0
    seen: Counter[str] = field(default_factory=Counter)

    def play(self, number: int) -> tuple[what.Round, Found]:
        """One round, from the first decision to the comparison."""
        chance = random.Random(f"{self.seed}/{number}")  # noqa: S311 - no secret
        points = POINTS_OF_FILE if self.stage.database is None else POINTS_OF_LAKE
        round_ = what.plan(number, tuple(points), self.chosen, self.seed)
        has_outage = bool(round_.names & what.OUTAGES)
        self.seen.update(round_.names)
        stop = self.stage.folder / f"stop{number}"
        what.set_faults(self.stage.sandbox, round_.names, chance)
        for _ in range(2 if round_.names & {what.TWO_WORKERS, what.LOST_LOCKS} else 1):
            self.stage.start_worker(stop, round_.point, round_.hits, survives_outages=has_outage)
        self.stage.wait_for_workers()
        telling = tell(
            self.crowd.decide(DECISIONS_PER_ROUND),
            self.stage.url,
            chance=chance if what.DISORDER in round_.names else None,
            gap_seconds=GAP_SECONDS,
        )
        self._disturb_once(round_, chance)
        deadline = time.monotonic() + self.patience_seconds
        while telling.is_alive() or not self._has_all_happened():
            if what.RANDOM_KILLS in round_.names:
                time.sleep(chance.uniform(0.1, 1.0))
                self.stage.kill_worker(chance.randrange(len(self.stage.workers)))
            self.deaths[round_.point or what.RANDOM_KILLS] += self.stage.replace_dead(
                stop, survives_outages=has_outage
            )
            if time.monotonic() > deadline and not telling.is_alive():
                break
            time.sleep(0.05)
        telling.join()
        self.faults_met += sum(int(rule["met"]) for rule in self.stage.sandbox.faults())
        self.stage.sandbox.clear_faults()
        stop.touch()
        self.deaths[round_.point or what.RANDOM_KILLS] += self.stage.end_workers()
        if has_outage:
            self._reconnect()
        if number % REPLAY_EVERY == REPLAY_EVERY - 1:
            replay_dead_letters(self.stage.warehouse, None)
        self.stage.come_to_rest()
        return round_, look(self.stage.warehouse, self.stage.sandbox, self.crowd, self.log_start)

    def _disturb_once(self, round_: what.Round, chance: random.Random) -> None:
        """What the driver does while decisions are told."""
        if what.SERVICE_KILLS in round_.names:
            time.sleep(chance.uniform(0, 0.5))
            self.stage.kill_service()
            time.sleep(SERVICE_DOWN_SECONDS)
            self.stage.start_service()
        if "revoked tokens" in round_.names:
            self.stage.sandbox.revoke_tokens()
        if what.CRASHES in round_.names:
            time.sleep(chance.uniform(0.2, 1.5))
            self.stage.crash_database(chance.uniform(0, 1.0))
            self.crashes += 1
        if what.LOST_LOCKS in round_.names:
            deadline = time.monotonic() + LOSING_LOCKS_SECONDS
            for _ in range(LOST_LOCKS_PER_ROUND):
                ended = 0
                while not ended and time.monotonic() < deadline:
                    time.sleep(chance.uniform(0, 0.1))
                    ended = self.stage.end_push_sessions()
                self.lost_locks += ended

    def _reconnect(self) -> None:
        """Use up this process's own connections that the outage has broken."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            with suppress(*OUTAGES), self.stage.warehouse.read() as connection:
                connection.execute("select count(*) from consent_events").fetchall()
                return

    def _has_all_happened(self) -> bool:
        """Whether every fault has met a request, and every decision is in the ledger."""
        if not all(rule["met"] for rule in self.stage.sandbox.faults()):
            return False
        with suppress(*OUTAGES), self.stage.warehouse.read() as connection:
            ((kept,),) = connection.execute("select count(*) from consent_events").fetchall()
            return bool(kept == len(self.crowd.events))
        return False


def run(
    rounds: int,
    *,
    seed: int,
    seconds: float = 0.0,
    first: int = 0,
    chosen: tuple[str, ...] | None = None,
    people: int = PEOPLE,
    patience_seconds: float = PATIENCE_SECONDS,
    on_lake: bool = False,
    say: bool = True,
) -> list[str]:
    """Play these rounds, beginning with ``first``, and more until ``seconds`` are over.

    A round waits ``patience_seconds`` for its faults to meet a request.

    Returns:
        Every promise that was broken, with its round and seed; none is played after it.
    """
    broken: list[str] = []
    started = time.monotonic()
    if chosen is None:
        chosen = what.NAMES_OF_LAKE if on_lake else what.NAMES
    with ExitStack() as running:
        database = start_postgresql() if on_lake else None
        if database is not None:
            running.callback(database.remove)
        folder = running.enter_context(TemporaryDirectory(prefix="consent-drill-"))
        sandbox = running.enter_context(running_sandbox(contacts=200, seed=seed % 1000))
        stage = running.enter_context(prepared(sandbox, Path(folder), people, database))
        chance = random.Random(seed)  # noqa: S311 - no secret
        crowd, log_start = Crowd(stage.people, chance), _end_of_log(stage)
        drill = Drill(stage, seed, chosen, crowd, log_start, patience_seconds)
        number, found = first, None
        while number < first + rounds or time.monotonic() - started < seconds:
            round_, found = drill.play(number)
            number += 1
            broken += [f"round {number} ({round_}), seed {seed}: {each}" for each in found.broken]
            if say:
                tell_line(
                    f"round {number}: {round_}: {len(found.broken)} broken,"
                    f" {found.dead_letters} dead letters, {time.monotonic() - started:.0f} s"
                )
            if found.broken:
                break
        if say and found is not None:
            _summarise(drill, found, number - first, time.monotonic() - started)
    return broken


def _summarise(drill: Drill, found: Found, rounds: int, seconds: float) -> None:
    with drill.stage.warehouse.read() as connection:
        outcomes = connection.execute(
            "select outcome, count(*) from opt_in_pushes group by outcome order by outcome"
        ).fetchall()
    tell_line(
        f"{rounds} rounds in {seconds:.0f} s, seed {drill.seed}:"
        f" {len(drill.crowd.events):,} decisions, {found.attempts:,} attempts,"
        f" {found.writes:,} values written, {drill.faults_met} requests met a fault,"
        f" {sum(drill.deaths.values())} processes killed"
        + (
            f", {drill.crashes} crashes of the database, {drill.lost_locks} push locks lost"
            if drill.stage.database is not None
            else ""
        )
    )
    tell_line("attempts by outcome: " + ", ".join(f"{name} {rows:,}" for name, rows in outcomes))
    for name, rounds_with in sorted(drill.seen.items()):
        tell_line(f"  {name}: in {rounds_with} rounds")
    for point, deaths in sorted(drill.deaths.items()):
        tell_line(f"  killed in rounds of: {point}: {deaths}")


def _end_of_log(stage: Stage) -> int:
    return max((write["sequence"] for write in stage.sandbox.log()), default=0)


def tell_line(text: str) -> None:
    """Write one line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    """Run the drill as asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=0, help="how many at least")
    parser.add_argument("--first", type=int, default=0, help="number of the first round")
    parser.add_argument("--minutes", type=float, default=0, help="how long at least")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--people", type=int, default=PEOPLE)
    parser.add_argument(
        "--patience", type=float, default=PATIENCE_SECONDS, help="seconds to wait for faults"
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=what.NAMES_OF_LAKE,
        metavar="NAME",
        help=", ".join(what.NAMES_OF_LAKE),
    )
    parser.add_argument("--lake", action="store_true", help="as on several machines")
    asked = parser.parse_args()
    tell_line(f"seed {asked.seed}")
    broken = run(
        asked.rounds,
        seed=asked.seed,
        seconds=60 * asked.minutes,
        first=asked.first,
        chosen=tuple(asked.only) if asked.only else None,
        people=asked.people,
        patience_seconds=asked.patience,
        on_lake=asked.lake,
    )
    for each in broken:
        tell_line(each)
    tell_line("every promise was kept" if not broken else f"{len(broken)} broken promises")
    raise SystemExit(bool(broken))


if __name__ == "__main__":
    main()
