"""What the webhook service counts; no label holds anything about a person."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from emarsys_pipeline.inbox.group_commit import Commit
from emarsys_pipeline.inbox.keeping import PutResult

GROUP_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
COMMIT_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)


class ReceiverMetrics:
    """The metrics of one service, in a registry of their own."""

    def __init__(self, waiting: Callable[[], float]) -> None:
        self.registry = CollectorRegistry()
        self.answers = Counter(
            "inbox_answers", "Answers to webhook calls", ["status"], registry=self.registry
        )
        self.messages = Counter(
            "inbox_messages",
            "Messages received: accepted, duplicate, conflict (of the duplicates) or rejected",
            ["endpoint", "result"],
            registry=self.registry,
        )
        self.group_size = Histogram(
            "inbox_commit_deliveries",
            "Calls that shared one transaction",
            buckets=GROUP_SIZES,
            registry=self.registry,
        )
        self.commit_seconds = Histogram(
            "inbox_commit_seconds",
            "Seconds until a transaction was durable",
            buckets=COMMIT_SECONDS,
            registry=self.registry,
        )
        gauge = Gauge("inbox_waiting", "Calls that wait for the disk", registry=self.registry)
        gauge.set_function(waiting)

    def count_commit(self, commit: Commit) -> None:
        """One transaction has become durable."""
        self.group_size.observe(commit.deliveries)
        self.commit_seconds.observe(commit.seconds)

    def count_delivery(self, endpoint: str, result: PutResult, rejected: int) -> None:
        """One call has been answered."""
        for name, number in (
            ("accepted", result.accepted),
            ("duplicate", result.duplicates),
            ("conflict", result.conflicts),
            ("rejected", rejected),
        ):
            if number:
                self.messages.labels(endpoint, name).inc(number)
