"""What all steps of one account's import share."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from emarsys_pipeline.emarsys import EmarsysClient
from emarsys_pipeline.settings import AccountSettings, ImportSettings
from emarsys_pipeline.stages.progress import Progress
from emarsys_pipeline.stages.raw_segment_exports.fields import FieldPlan
from emarsys_pipeline.warehouse import Warehouse
from emarsys_pipeline.windows import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRun:
    """One account, one window: the collaborators and the clock.

    Attributes:
        in_full: whether every segment is imported in full, whatever its history.
        member_lists: held while a member list is read, because Emarsys evaluates one segment of
            an account at a time and answers 423 to the others.
    """

    warehouse: Warehouse
    client: EmarsysClient
    account: AccountSettings
    window: Window
    imports: ImportSettings
    downloads: Path
    run_id: str
    in_full: bool
    progress: Progress
    now: Callable[[], datetime]
    plan: FieldPlan
    member_lists: threading.Lock = field(default_factory=threading.Lock)


class Tally:
    """Counts what one segment's import asked and received, from any thread.

    Attributes:
        counted: the contacts that Emarsys counted last; None, without the permission to count.
    """

    def __init__(self, started_at: datetime) -> None:
        self.started_at = started_at
        self.api_calls = 0
        self.bytes_downloaded = 0
        self.export_ids: list[str] = []
        self.counted: int | None = None
        self._lock = threading.Lock()

    def note(self, *, api_calls: int = 0, bytes_downloaded: int = 0) -> None:
        """Add to the counts."""
        with self._lock:
            self.api_calls += api_calls
            self.bytes_downloaded += bytes_downloaded

    def note_exports(self, export_ids: Sequence[str]) -> None:
        """Remember which exports the rows came from."""
        with self._lock:
            self.export_ids.extend(export_ids)
