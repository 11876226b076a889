"""Every test of the warehouse runs with a file and with a lake."""

from collections.abc import Iterator

import pytest

from emarsys_pipeline_tests.warehouses import BOTH, chosen_engine


@pytest.fixture(scope="module", params=BOTH)
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where the test's warehouses are: what asks for it runs once with each."""
    with chosen_engine(request) as name:
        yield name
