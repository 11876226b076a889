"""What goes wrong in a drill, by name."""

import random
from dataclasses import dataclass

from emarsys_pipeline.sandbox.process import Sandbox

PUT, READ, ALL = "PUT contact", "POST contact/getdata", "*"

# By disturbance: the sandbox's faults, with the endpoint and the details of each.
FAULTS: dict[str, tuple[tuple[str, str, dict[str, float]], ...]] = {
    "applied but unanswered": (
        ("commit_then_drop", PUT, {"times": 2}),
        ("commit_then_drop", READ, {"times": 1}),
    ),
    "storm of 429": (
        ("rate_limited", ALL, {"times": 3, "wait_seconds": 1}),
        ("rate_limited_without_reset", PUT, {"times": 1}),
    ),
    "server errors": (
        ("server_error", PUT, {"times": 2}),
        ("bad_gateway", ALL, {"times": 2}),
        ("overloaded", PUT, {"times": 4}),
    ),
    "resets": (
        ("reset_before_answer", PUT, {"times": 2}),
        ("reset_in_body", PUT, {"times": 2}),
        ("reset_before_answer", READ, {"times": 2}),
    ),
    "permanent partial errors": (("permanent_partial_errors", PUT, {"times": 1, "count": 2}),),
    "passing partial errors": (("transient_partial_errors", PUT, {"times": 3, "count": 3}),),
    "revoked tokens": (
        ("revoked_token", ALL, {"times": 3}),
        ("unauthorized", PUT, {"times": 1}),
    ),
    "slow answers": (("slow_answer", PUT, {"times": 3, "wait_seconds": 0.4}),),
    "unreadable answers": (
        ("html_answer", PUT, {"times": 1}),
        ("broken_json", PUT, {"times": 1}),
        ("empty_answer", PUT, {"times": 1}),
    ),
    "missing permission": (("forbidden", PUT, {"times": 2}),),
}
# What the driver does itself.
DISORDER = "duplicate and reordered webhooks"
SERVICE_KILLS = "kills of the webhook service"
TWO_WORKERS = "two workers at once"
RANDOM_KILLS = "kills at any moment"
NAMED_KILLS = "kill at a named point"

NAMES = (*FAULTS, DISORDER, SERVICE_KILLS, TWO_WORKERS, RANDOM_KILLS, NAMED_KILLS)

# What only several machines have: a database that may crash, and locks that go with a session.
CRASHES = "crash of the database"
LOST_LOCKS = "lost push locks"
OUTAGES = frozenset({CRASHES, LOST_LOCKS})
NAMES_OF_LAKE = (*NAMES, CRASHES, LOST_LOCKS)
# A lock is lost while a request is on its way, and somebody waits for it.
FAULTS_OF_LAKE = {**FAULTS, LOST_LOCKS: (("slow_answer", PUT, {"times": 6, "wait_seconds": 0.3}),)}
# How many of a fault's first requests may pass it by.
MAX_PASSING = 1


@dataclass(frozen=True, slots=True)
class Round:
    """What goes wrong in one round; ``point`` is where a worker dies."""

    names: frozenset[str]
    point: str | None = None
    hits: int = 1

    def __str__(self) -> str:
        told = [f"{NAMED_KILLS} ({self.point})" if n == NAMED_KILLS else n for n in self.names]
        return ", ".join(sorted(told))


def plan(number: int, points: tuple[str, ...], chosen: tuple[str, ...], seed: int) -> Round:
    """The disturbances of a round: each point and each name alone first, then three at once."""
    chance = random.Random(f"{seed}-{number}")  # noqa: S311 - no secret
    alone = [name for name in chosen if name != NAMED_KILLS]
    if NAMED_KILLS in chosen and number < len(points):
        # A read-back needs something to read back, and a request on its way takes its time.
        with_it = {"applied but unanswered", "slow answers"} & set(chosen)
        return Round(frozenset({NAMED_KILLS, *with_it}), points[number])
    number -= len(points) if NAMED_KILLS in chosen else 0
    if number < len(alone):
        return Round(frozenset({alone[number]}))
    names = frozenset(chance.sample(chosen, min(3, len(chosen))))
    point = chance.choice(points) if NAMED_KILLS in names else None
    return Round(names, point, chance.randint(1, 3))


def set_faults(sandbox: Sandbox, names: frozenset[str], chance: random.Random) -> None:
    """Let the sandbox fail as these disturbances say, after a few requests of each kind."""
    for name in sorted(names & set(FAULTS_OF_LAKE)):
        for fault, endpoint, details in FAULTS_OF_LAKE[name]:
            sandbox.set_fault(fault, endpoint, after=chance.randint(0, MAX_PASSING), **details)
