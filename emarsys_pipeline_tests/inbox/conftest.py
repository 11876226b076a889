"""Each test of the inbox runs in both of its stores."""

import uuid
from collections.abc import Callable, Iterator

import pytest

from emarsys_pipeline.inbox import Inbox, deploy_store
from emarsys_pipeline.postgresql import Database
from emarsys_pipeline_tests.inbox.places import Place
from emarsys_pipeline_tests.postgresql import PostgresServer
from emarsys_pipeline_tests.requirements import POSTGRESQL, needs

STORES = ["file", pytest.param("postgresql", marks=needs(POSTGRESQL))]


@pytest.fixture(scope="session")
def inbox_database(postgresql: PostgresServer) -> Iterator[str]:
    """A database in which each test has a schema of its own."""
    with postgresql.database() as address:
        yield address


@pytest.fixture(scope="module", params=STORES)
def new_place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Place]:
    """Makes places for inboxes: files, or schemas that are deployed."""

    def make() -> Place:
        if request.param == "file":
            return tmp_path_factory.mktemp("inbox") / "home" / "inbox.sqlite"
        address = request.getfixturevalue("inbox_database")
        place = Database(address, schema=f"inbox {uuid.uuid4().hex}")
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
