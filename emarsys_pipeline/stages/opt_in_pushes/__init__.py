"""Opt-in pushes: the outbox that writes consent values to Emarsys."""

from emarsys_pipeline.stages.opt_in_pushes.dead_letters import (
    DeadLetter,
    NoSuchDeadLetterError,
    dead_letters,
    replay_dead_letters,
)
from emarsys_pipeline.stages.opt_in_pushes.outbox import count_dead_letters, outbox_due
from emarsys_pipeline.stages.opt_in_pushes.push import OptInPushed, push_account
from emarsys_pipeline.stages.opt_in_pushes.refresh import make_refresh

__all__ = [
    "DeadLetter",
    "NoSuchDeadLetterError",
    "OptInPushed",
    "count_dead_letters",
    "dead_letters",
    "make_refresh",
    "outbox_due",
    "push_account",
    "replay_dead_letters",
]
