"""Fixtures of the stages that talk to Emarsys: one small sandbox account for all tests."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from emarsys_pipeline.emarsys import EmarsysClient, RetrySettings, WsseCredentials
from emarsys_pipeline.sandbox.process import Sandbox, running_sandbox
from emarsys_pipeline_tests.stages.importing import Importer
from emarsys_pipeline_tests.warehouses import BOTH, Warehouse

ALL = "EMARSYS_PIPELINE_ALL_STAGES_ON_A_LAKE"
"""Set to anything, it lets every test of the stages run on a lake, too:

``EMARSYS_PIPELINE_ALL_STAGES_ON_A_LAKE=1 pytest emarsys_pipeline_tests/stages -k lake``
"""

# What runs on a lake each time; a statement there costs several times that of a file.
ON_A_LAKE = {
    "test_consent_after_split",
    "test_consent_events",
    "test_golden_records",
    "test_identity_decisions",
    "test_mapped_contacts",
    "test_mapping_over_the_wire",
    "test_opt_in_deltas",
    "test_platform_contacts",
    "test_raw_segment_exports",
    "test_stitched_identities",
}


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
        name = metafunc.module.__name__.rsplit(".", 1)[-1]
        engines = BOTH if os.environ.get(ALL) or name in ON_A_LAKE else BOTH[:1]
        metafunc.parametrize("engine", engines, indirect=True, scope="module")
