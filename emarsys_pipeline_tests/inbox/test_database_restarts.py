"""The database of the inbox goes away and comes back: nothing accepted is lost."""

import threading
import time
from collections.abc import Iterator

import psycopg
import pytest
import requests

from emarsys_pipeline.inbox import Inbox, deploy_store
from emarsys_pipeline.postgresql import Database, DatabaseError, DatabaseLostError
from emarsys_pipeline_tests.inbox.service import running_service
from emarsys_pipeline_tests.inbox.test_queue import consent
from emarsys_pipeline_tests.inbox.test_receiver import CONSENT, event, post
from emarsys_pipeline_tests.places import Place
from emarsys_pipeline_tests.postgresql import PostgresServer, start_postgresql
from emarsys_pipeline_tests.requirements import POSTGRESQL, needs

pytestmark = needs(POSTGRESQL)


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server that may be stopped without harm to other tests."""
    own = start_postgresql()
    yield own
    own.remove()


@pytest.fixture
def place(server: PostgresServer) -> Iterator[Place]:
    with server.database() as address:
        database = Database(address, "inbox")
        deploy_store(database)
        yield database


def test_an_open_inbox_goes_on_after_a_crash_of_the_database(
    server: PostgresServer, place: Place
) -> None:
    with Inbox(place) as inbox, Inbox(place) as reader:
        inbox.put([consent("e1")], source="a")
        assert reader.last_sequence() == 1
        server.stop("immediate")
        with pytest.raises(DatabaseError, match="cannot be reached"):
            inbox.put([consent("e2")], source="a")
        server.start()
        inbox.put([consent("e2")], source="a")
        assert reader.fetch("consent")["event_id"].to_pylist() == ["e1", "e2"]
        # The same with connections that were in use until the crash and not since.
        server.stop("immediate")
        server.start()
        assert reader.last_sequence() > 1
        inbox.put([consent("e3")], source="a")
        assert reader.fetch("consent")["event_id"].to_pylist() == ["e1", "e2", "e3"]


def test_a_session_ended_within_a_transaction_leaves_nothing_of_it(place: Database) -> None:
    with Inbox(place) as inbox:

        def end_all_sessions() -> None:
            with psycopg.connect(place.address, autocommit=True) as session:
                session.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where datname = current_database() and pid <> pg_backend_pid()"
                )

        def delete_while_they_end() -> None:
            with inbox._store.transaction() as connection:
                connection.execute("delete from messages")
                end_all_sessions()
                connection.execute("delete from messages")

        inbox.put([consent("e0")], source="a")
        with pytest.raises(DatabaseLostError):
            delete_while_they_end()
        inbox.put([consent("e1")], source="a")
        assert inbox.fetch("consent")["event_id"].to_pylist() == ["e0", "e1"]


def test_the_service_loses_no_accepted_event_in_crashes_of_the_database(
    server: PostgresServer, place: Place
) -> None:
    accepted: list[str] = []
    statuses: set[int] = set()
    is_over = threading.Event()

    with running_service(place) as service:

        def send(sender: int) -> None:
            number = 0
            while not is_over.is_set():
                status = post(service, CONSENT, event(f"{sender}-{number}")).status_code
                statuses.add(status)
                if status == 202:
                    accepted.append(f"{sender}-{number}")
                    number += 1

        senders = [threading.Thread(target=send, args=(number,)) for number in range(4)]
        for sender in senders:
            sender.start()
        for pause in (0.0, 3.5):
            time.sleep(0.5)
            server.stop("immediate")
            time.sleep(pause)
            before = len(accepted)
            server.start()
            deadline = time.monotonic() + 20
            while len(accepted) < before + 20 and time.monotonic() < deadline:
                time.sleep(0.05)
        is_over.set()
        for sender in senders:
            sender.join()
        assert requests.get(f"{service.url}/healthz", timeout=10).ok
    # While it was away for longer than requests wait, senders were told to come again.
    assert statuses == {202, 503}
    with Inbox(place) as inbox:
        kept = inbox.fetch("consent")["event_id"].to_pylist()
    assert len(kept) == len(set(kept))
    assert set(accepted) <= set(kept)
    # At most one event of each sender was on its way when all ended.
    assert len(set(kept) - set(accepted)) <= len(senders)


def test_without_its_tables_it_says_how_to_make_them(server: PostgresServer) -> None:
    with server.database() as address, Inbox(Database(address, "inbox")) as inbox:
        with pytest.raises(DatabaseError, match="emarsys-pipeline migrate"):
            inbox.put([consent("e1")], source="a")
        with pytest.raises(DatabaseError, match="emarsys-pipeline migrate"):
            inbox.last_sequence()


def test_several_machines_may_deploy_at_the_same_moment(server: PostgresServer) -> None:
    with server.database() as address:
        database = Database(address, "inbox")
        failures: list[Exception] = []

        def make() -> None:
            try:
                deploy_store(database)
            except Exception as error:  # noqa: BLE001 - whatever it is
                failures.append(error)

        threads = [threading.Thread(target=make) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        with Inbox(database) as inbox:
            inbox.put([consent("e1")], source="a")
            deploy_store(database)
            assert inbox.counts["consent"] == 1
