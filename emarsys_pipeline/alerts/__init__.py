"""Alerts: what failed reaches people outside the UI, once, and is never lost.

::

    Dagster's event log --(defs/alerts)--> findings --> AlertBook --> targets (webhook, e-mail)
                                                        (SQLite)

A finding is written down in the same transaction that marks its run as looked at; a target gets it
from there, again and again until it has taken it. So a kill at any point repeats a delivery at
worst, and each carries an id by which a receiver can tell.
"""

from emarsys_pipeline.alerts.alert import Alert, Finding
from emarsys_pipeline.alerts.book import AlertBook, Waiting
from emarsys_pipeline.alerts.deliver import Delivered, deliver
from emarsys_pipeline.alerts.targets import TargetError, send

__all__ = [
    "Alert",
    "AlertBook",
    "Delivered",
    "Finding",
    "TargetError",
    "Waiting",
    "deliver",
    "send",
]
