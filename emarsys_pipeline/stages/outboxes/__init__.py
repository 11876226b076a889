"""What the outboxes to Emarsys and to the messaging platform have in common."""

from emarsys_pipeline.stages.outboxes.outbox import adopt_orphans, is_due, record_outcomes
from emarsys_pipeline.stages.outboxes.verdicts import LONGEST_WAIT, Verdict, backoff

__all__ = ["LONGEST_WAIT", "Verdict", "adopt_orphans", "backoff", "is_due", "record_outcomes"]
