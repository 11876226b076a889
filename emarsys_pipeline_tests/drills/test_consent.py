"""The drill of consent, small: another part of it in each run of the tests, by a printed seed."""

import random

import pytest

from emarsys_pipeline_tests.drills import consent
from emarsys_pipeline_tests.drills.disturbances import NAMED_KILLS, NAMES, NAMES_OF_LAKE, plan
from emarsys_pipeline_tests.drills.worker import POINTS_OF_FILE, POINTS_OF_LAKE
from emarsys_pipeline_tests.requirements import POSTGRESQL, needs

ROUNDS, PEOPLE = 2, 12
# Enough for what a fault usually needs to meet a request; many rounds hold one that meets none.
PATIENCE_SECONDS = 8.0
FILE, LAKE = (tuple(POINTS_OF_FILE), NAMES), (tuple(POINTS_OF_LAKE), NAMES_OF_LAKE)
PROFILES = [
    pytest.param(*FILE, id="file"),
    pytest.param(*LAKE, marks=needs(POSTGRESQL), id="lake"),
]


def planned(points: tuple[str, ...], names: tuple[str, ...]) -> int:
    """The rounds of one point or one disturbance, and as many of three at once."""
    return 2 * (len(points) + len(names) - 1)


@pytest.mark.slow
@pytest.mark.parametrize(("points", "names"), PROFILES)
def test_consent_stands_fire(points: tuple[str, ...], names: tuple[str, ...]) -> None:
    seed = random.SystemRandom().randrange(10**6)
    first = seed % planned(points, names)
    is_lake = (points, names) == LAKE
    sizes = f"--rounds {ROUNDS} --people {PEOPLE} --patience {PATIENCE_SECONDS}"
    option = " --lake" if is_lake else ""
    print(f"{sizes} --first {first} --seed {seed}{option}")  # noqa: T201 - shown when it fails
    broken = consent.run(
        ROUNDS,
        first=first,
        seed=seed,
        people=PEOPLE,
        patience_seconds=PATIENCE_SECONDS,
        on_lake=is_lake,
    )
    assert broken == []


@pytest.mark.parametrize(("points", "names"), [FILE, LAKE], ids=["file", "lake"])
def test_the_drill_plays_every_point_and_every_disturbance_and_then_three_at_once(
    points: tuple[str, ...], names: tuple[str, ...]
) -> None:
    half = planned(points, names) // 2
    alone = [plan(number, points, names, 1) for number in range(half)]
    assert [round_.point for round_ in alone[: len(points)]] == list(points)
    assert {name for round_ in alone for name in round_.names} == set(names)
    together = [plan(half + number, points, names, 1) for number in range(60)]
    assert {len(round_.names) for round_ in together} == {3}
    assert {name for round_ in together for name in round_.names} == set(names)
    assert all((round_.point is not None) == (NAMED_KILLS in round_.names) for round_ in together)
