"""Fixtures of the stages that talk to Emarsys: one small sandbox account for all tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from emarsys_pipeline.emarsys import EmarsysClient, RetrySettings, WsseCredentials
from emarsys_pipeline.sandbox.process import Sandbox, running_sandbox
from emarsys_pipeline_tests.stages.importing import Importer
from emarsys_pipeline_tests.warehouses import BOTH, Warehouse


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


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what asks for a warehouse on a file, and on a lake."""
    if "engine" in metafunc.fixturenames and not hasattr(metafunc.module, "engine"):
        metafunc.parametrize("engine", BOTH, indirect=True, scope="module")
