"""A scripted server and a client of it that waits little."""

from collections.abc import Iterator

import pytest

from emarsys_pipeline.emarsys import EmarsysClient, RetrySettings, WsseCredentials
from emarsys_pipeline_tests.emarsys.scripted_server import ScriptedServer, scripted_server

FAST = RetrySettings(wait_factor=0.002, total_seconds=5, evaluation_seconds=5)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture
def client(server: ScriptedServer) -> Iterator[EmarsysClient]:
    credentials = WsseCredentials("shop001", "demo-secret")
    with EmarsysClient(
        credentials, base_url=server.url, read_timeout_seconds=0.5, retries=FAST
    ) as made:
        yield made
