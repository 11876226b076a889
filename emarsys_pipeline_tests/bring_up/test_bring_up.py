"""The page ``docs/deploy.md`` is true: its commands bring everything up, and it works.

``python -m emarsys_pipeline_tests.bring_up`` is the same for people, with every line told.
"""

from pathlib import Path

import pytest

from emarsys_pipeline.sandbox.process import running_sandbox
from emarsys_pipeline_tests.bring_up import proof
from emarsys_pipeline_tests.bring_up.deployment import Operator, brought_up, this_program
from emarsys_pipeline_tests.bring_up.machine import Machine
from emarsys_pipeline_tests.bring_up.servers import running_servers
from emarsys_pipeline_tests.requirements import POSTGRESQL, REDIS, needs


@pytest.mark.slow
@needs(POSTGRESQL)
@needs(REDIS)
def test_the_page_brings_up_what_imports_by_schedule_and_writes_consent_back(
    tmp_path: Path,
) -> None:
    tick = proof.next_tick()
    with (
        running_servers(tmp_path / "servers") as servers,
        running_sandbox(contacts=200) as sandbox,
        brought_up(
            Operator(
                machine=Machine(root=tmp_path / "machine", program=this_program()),
                servers=servers,
                sandbox=sandbox,
                settings=proof.settings_for(tick),
            )
        ) as deployment,
    ):
        proof.scheduled_import(deployment, tick)
        before = proof.opt_ins(sandbox)
        proof.decide(deployment, sandbox)
        values = proof.consent_in_emarsys(deployment, sandbox, before=before, seconds=180)
        assert values == {"granted"}
        stored = proof.stored(deployment)
        assert stored.contacts == stored.members
        assert len(stored.members) > 0 < stored.files
