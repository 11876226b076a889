"""Where everything is kept: the one place that chooses between files and a lake.

Without ``lake`` in the settings, warehouse, inbox and rate limits are files in the home. With it,
the warehouse is a lake, and inbox and rate limits are schemas of its catalogue's database.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emarsys_pipeline.emarsys import deploy_slots
from emarsys_pipeline.inbox import Inbox, deploy_store
from emarsys_pipeline.settings import LakeSettings, Settings
from emarsys_pipeline.warehouse import LakeLocation, ObjectStore, Warehouse

if TYPE_CHECKING:
    from emarsys_pipeline.postgresql import Database


def open_warehouse(settings: Settings) -> Warehouse:
    """The warehouse; nothing stays open between its calls."""
    return Warehouse(
        warehouse_place(settings.warehouse_directory, settings.lake),
        publish_interval_seconds=settings.publish.min_interval_seconds,
    )


def open_inbox(settings: Settings) -> Inbox:
    """The inbox; use it in a ``with`` block."""
    return Inbox(inbox_place(settings.inbox_path, settings.lake))


def has_inbox(settings: Settings) -> bool:
    """Whether there is an inbox; opening one makes its file."""
    return settings.lake is not None or settings.inbox_path.exists()


def rate_limits(settings: Settings) -> "Path | Database":
    """Where all who use an account share its rate limit."""
    return rate_limit_place(settings.rate_limit_path, settings.lake)


def deploy(settings: Settings) -> None:
    """Make what is missing and bring the schema up to date, once for all machines.

    Raises:
        DatabaseError: PostgreSQL cannot be reached.
        LakeError: the lake cannot be attached.
    """
    if settings.lake is not None:
        deploy_store(_database(settings.lake, "inbox"))
        deploy_slots(_database(settings.lake, "rate_limits"))
    open_warehouse(settings).migrate()


class MoveError(Exception):
    """The settings name no lake, so there is nowhere to move to."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What is now in the lake and in the files; rows by table.

    Attributes:
        is_new: whether any of it was moved now; else all had been before.
    """

    is_new: bool
    warehouse: Mapping[str, int]
    inbox: Mapping[str, int]


def move_into_lake(settings: Settings, *, tell: Callable[[str], None]) -> Moved:
    """Make the lake and copy warehouse and inbox of the home into it; the files stay.

    Counts and hashes of all tables are compared before anything is committed. A second call only
    compares, so that it also tells whether a file has changed since.

    Args:
        settings: with a lake; the home is the one that has been in use.
        tell: is called with what is being copied.

    Raises:
        MoveError: there is no lake in the settings.
        MoveRefusedError: there is no warehouse, or the lake holds other rows.
        InboxNotEmptyError: its inbox holds other messages.
    """
    place = warehouse_place(settings.warehouse_directory, settings.lake)
    if settings.lake is None or isinstance(place, Path):
        raise MoveError(
            "the settings have no lake: add the section lake with catalog and data_path first "
            "(emarsys-pipeline init writes it as a comment, docs/deploy.md explains it)"
        )
    from emarsys_pipeline.inbox.moving import move_inbox  # only with the extra for lakes
    from emarsys_pipeline.warehouse.moving import move_file_into_lake

    deploy(settings)
    moved = move_file_into_lake(settings.warehouse_directory, place, tell=tell)
    messages: Mapping[str, int] = {}
    if settings.inbox_path.exists():
        tell("inbox")
        messages = move_inbox(settings.inbox_path, _database(settings.lake, "inbox"))
    return Moved(moved.is_new, moved.rows, messages)


def warehouse_place(directory: Path, lake: LakeSettings | None) -> Path | LakeLocation:
    """Where the warehouse is.

    Args:
        directory: the folder of its file, without a lake.
        lake: its settings.

    Raises:
        SettingsError: a variable that the settings name is not set.
    """
    if lake is None:
        return directory
    store = None
    if lake.s3 is not None:
        store = ObjectStore(
            key_id=lake.s3.key_id.reveal(),
            secret=lake.s3.secret.reveal(),
            endpoint=lake.s3.endpoint,
            region=lake.s3.region,
            use_ssl=lake.s3.use_ssl,
        )
    return LakeLocation(lake.catalog.reveal(), lake.data_path, store, lake.schema_name)


def inbox_place(path: Path, lake: LakeSettings | None) -> "Path | Database":
    """Where the inbox is; ``path`` without a lake."""
    return path if lake is None else _database(lake, "inbox")


def rate_limit_place(path: Path, lake: LakeSettings | None) -> "Path | Database":
    """Where the slots of rate limits are; ``path`` without a lake."""
    return path if lake is None else _database(lake, "rate_limits")


def _database(lake: LakeSettings, purpose: str) -> "Database":
    from emarsys_pipeline.postgresql import Database  # its client is an extra

    return Database(lake.catalog.reveal(), f"{lake.schema_name}_{purpose}")
