"""The retry table: how often, how long, and never longer than allowed."""

import random

import pytest

from emarsys_pipeline.emarsys.errors import EmarsysError, NotYetError, ServerError
from emarsys_pipeline.emarsys.retries import RULES, Attempts, Outcome, RetrySettings


def server_error(status: int) -> ServerError:
    return ServerError(method="GET", path="filter", http_status=status)


def waits(error: EmarsysError, settings: RetrySettings, *, limit: int = 1000) -> list[float]:
    """The waits of a call that always ends with ``error``, on a clock that the waits move."""
    now = [0.0]
    dice = random.Random(1)  # noqa: S311 waits are no secrets
    attempts = Attempts(settings, is_repeatable=True, clock=lambda: now[0], randomness=dice)
    taken: list[float] = []
    while len(taken) < limit and (wait := attempts.wait_after(error)) is not None:
        taken.append(wait)
        now[0] += wait
    return taken


def test_waits_are_those_of_the_table_without_jitter() -> None:
    settings = RetrySettings(jitter=0)
    assert waits(server_error(503), settings) == list(RULES[Outcome.OVERLOADED].waits)
    assert waits(server_error(502), settings) == list(RULES[Outcome.SERVER_FAILED].waits)


def test_jitter_only_lengthens_and_stays_in_its_share() -> None:
    taken = waits(server_error(503), RetrySettings(jitter=0.25))
    for wait, plain in zip(taken, RULES[Outcome.OVERLOADED].waits, strict=True):
        assert plain <= wait <= plain * 1.25
    assert taken != list(RULES[Outcome.OVERLOADED].waits)


@pytest.mark.parametrize("status", [502, 503])
def test_no_attempt_starts_after_the_total_time(status: int) -> None:
    assert sum(waits(server_error(status), RetrySettings(total_seconds=21, jitter=0))) <= 21


def test_not_yet_is_asked_until_its_own_deadline() -> None:
    error = NotYetError(method="GET", path="filter", http_status=202)
    taken = waits(error, RetrySettings(total_seconds=1, evaluation_seconds=600, jitter=0))
    assert 570 < sum(taken) <= 600
    assert taken[:3] == [0.5, 1, 2]
    assert max(taken) == 30
