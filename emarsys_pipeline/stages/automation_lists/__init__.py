"""Automation lists: the contacts of lists that legacy automation calls name."""

from emarsys_pipeline.stages.automation_lists.fetch import ListsFetched, fetch_automation_lists

__all__ = ["ListsFetched", "fetch_automation_lists"]
