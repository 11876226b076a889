"""Says whether an account is ready to be imported and pushed to, and what to do if it is not.

Never writes to Emarsys. ``report`` holds the answers, ``examine`` finds them.
"""

from emarsys_pipeline.doctor.examine import examine_account
from emarsys_pipeline.doctor.report import AccountReport, Problem, SegmentReport

__all__ = ["AccountReport", "Problem", "SegmentReport", "examine_account"]
