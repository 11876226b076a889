"""Fixtures of the stages that talk to Emarsys: one small sandbox account for all tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from emarsys_pipeline.emarsys import EmarsysClient, RetrySettings, WsseCredentials
from emarsys_pipeline.sandbox.process import Sandbox, running_sandbox
from emarsys_pipeline_tests.stages.importing import Importer
from emarsys_pipeline_tests.warehouses import BOTH, Warehouse, chosen_engine


@pytest.fixture(scope="package")
def sandbox() -> Iterator[Sandbox]:
    """A running sandbox; tests leave its segments as they found them."""
    with running_sandbox(contacts=120, seed=3) as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[EmarsysClient]:
    """A client of the sandbox that gives up soon; faults and switches are undone after the test."""
    credentials = WsseCredentials(sandbox.username, sandbox.secret)
    quick = RetrySettings(total_seconds=2, wait_factor=0.01)
    with EmarsysClient(credentials, base_url=sandbox.url, retries=quick) as opened:
        yield opened
    sandbox.clear_faults()
    sandbox.set_permissions(on=["segment.contact.count", "export.contact.changed"])
    sandbox.switch(user_id_in_segment_exports=False)


@pytest.fixture
def importer(client: EmarsysClient, warehouse: Warehouse, tmp_path: Path) -> Importer:
    """Imports into an empty warehouse that is never published."""
    return Importer(warehouse, client, tmp_path / "downloads")


@pytest.fixture(scope="module", params=BOTH)
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where the test's warehouses are: what asks for it runs once with each."""
    with chosen_engine(request) as name:
        yield name
