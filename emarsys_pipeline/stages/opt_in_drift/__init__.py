"""Opt-in drift: what Emarsys holds, compared with the ledger."""

from emarsys_pipeline.stages.opt_in_drift.reconcile import Reconciled, reconcile_account

__all__ = ["Reconciled", "reconcile_account"]
