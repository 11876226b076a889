"""Identities against the sandbox's persons: the benchmark in a small size."""

from pathlib import Path

import pytest

from benchmarks.identity_quality.__main__ import LEAST_PRECISION
from benchmarks.identity_quality.measure import import_all, judge
from emarsys_pipeline.sandbox.process import running_sandbox


@pytest.mark.slow
def test_the_default_guards_make_identities_right_and_cost_no_recall(tmp_path: Path) -> None:
    """2,500 contacts are the smallest account in which an office line has all its 50 colleagues."""
    with running_sandbox(contacts=2500) as sandbox:
        settings, window = import_all(sandbox, tmp_path)
        found, shares = judge(settings, window, sandbox)
    guarded, unguarded = found["default settings"], found["no guard"]
    assert unguarded.precision < LEAST_PRECISION <= guarded.precision
    assert guarded.recall == unguarded.recall > 0.9
    assert min(shares.sharing, shares.with_junk, shares.chained) > shares.contacts // 100
