"""The drill of consent, small: another part of it in each run of the tests, by a printed seed."""

import random

import pytest

from emarsys_pipeline_tests.drills import consent
from emarsys_pipeline_tests.drills.disturbances import NAMED_KILLS, NAMES, plan
from emarsys_pipeline_tests.drills.worker import POINTS

ROUNDS, PEOPLE = 3, 12
# Enough for what a fault usually needs to meet a request; many rounds hold one that meets none.
PATIENCE_SECONDS = 8.0
# The rounds of one point or one disturbance, and as many of three at once.
PLANNED = 2 * (len(POINTS) + len(NAMES) - 1)


@pytest.mark.slow
def test_consent_stands_fire() -> None:
    seed = random.SystemRandom().randrange(10**6)
    first = seed % PLANNED
    sizes = f"--rounds {ROUNDS} --people {PEOPLE} --patience {PATIENCE_SECONDS}"
    print(f"{sizes} --first {first} --seed {seed}")  # noqa: T201 - shown when it fails
    assert (
        consent.run(
            ROUNDS, first=first, seed=seed, people=PEOPLE, patience_seconds=PATIENCE_SECONDS
        )
        == []
    )


def test_the_drill_plays_every_point_and_every_disturbance_and_then_three_at_once() -> None:
    alone = [plan(number, tuple(POINTS), NAMES, 1) for number in range(PLANNED // 2)]
    assert [round_.point for round_ in alone[: len(POINTS)]] == list(POINTS)
    assert {name for round_ in alone for name in round_.names} == set(NAMES)
    together = [plan(PLANNED // 2 + number, tuple(POINTS), NAMES, 1) for number in range(60)]
    assert {len(round_.names) for round_ in together} == {3}
    assert {name for round_ in together for name in round_.names} == set(NAMES)
    assert all((round_.point is not None) == (NAMED_KILLS in round_.names) for round_ in together)
