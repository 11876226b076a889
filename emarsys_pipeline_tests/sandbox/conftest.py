"""One sandbox for all tests of the package; each test begins without faults."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from emarsys_pipeline.sandbox.process import Sandbox, running_sandbox
from emarsys_pipeline.sandbox.switches import SWITCHES
from emarsys_pipeline_tests.sandbox.calls import Caller


@pytest.fixture(scope="package")
def running() -> Iterator[Sandbox]:
    with running_sandbox(contacts=1000, seed=7) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Iterator[Sandbox]:
    yield running
    running.clear_faults()
    running.unsubscribe()
    running.switch(**{**SWITCHES, "enforce_rate_limit": False})


@pytest.fixture
def call(sandbox: Sandbox) -> Caller:
    return Caller(sandbox)
