"""Each test of the inbox runs in both of its stores."""

from collections.abc import Callable, Iterator

import pytest

from emarsys_pipeline.inbox import Inbox, deploy_store
from emarsys_pipeline.postgresql import Database
from emarsys_pipeline_tests.places import PLACES, Place


@pytest.fixture(scope="module", params=PLACES)
def new_place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Place]:
    """Makes places for inboxes: files, or schemas that are deployed."""

    def make() -> Place:
        if request.param == "file":
            return tmp_path_factory.mktemp("inbox") / "home" / "inbox.sqlite"
        place: Database = request.getfixturevalue("new_schema")()
        deploy_store(place)
        return place

    return make


@pytest.fixture
def place(new_place: Callable[[], Place]) -> Place:
    """Where an inbox may be, without one."""
    return new_place()


@pytest.fixture
def inbox(place: Place) -> Iterator[Inbox]:
    """An empty inbox."""
    with Inbox(place) as opened:
        yield opened
