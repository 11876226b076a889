"""Which segments of an account the settings mean."""

from collections.abc import Sequence
from itertools import chain

from emarsys_pipeline.emarsys import EmarsysClient
from emarsys_pipeline.emarsys.errors import EmarsysError, PermissionMissingError
from emarsys_pipeline.settings import AccountSettings
from emarsys_pipeline.stages.raw_segment_exports.errors import UnknownSegmentError


def resolve_segments(client: EmarsysClient, account: AccountSettings) -> dict[str, str]:
    """The configured segments: id to name, in the order of the settings.

    Plain and combined segments are both looked at. A segment that is given by its id is taken
    even when the list does not show it, under its id as name.

    Raises:
        UnknownSegmentError: no segment has a configured name, or several have it.
        EmarsysError: neither kind could be listed, and a name is configured.
    """
    names = _list_segments(client, must_succeed=any(item.name for item in account.segments))
    resolved: dict[str, str] = {}
    for reference in account.segments:
        if reference.id is not None:
            resolved[reference.id] = names.get(reference.id, reference.id)
        else:
            segment_id = _id_of(account.name, reference.name or "", names)
            resolved[segment_id] = names[segment_id]
    return resolved


def _list_segments(client: EmarsysClient, *, must_succeed: bool) -> dict[str, str]:
    refused: EmarsysError | None = None
    names: dict[str, str] = {}
    listed = False
    for list_kind in (client.list_combined_segments, client.list_segments):
        try:
            names.update((segment.id, segment.name) for segment in list_kind())
            listed = True
        except PermissionMissingError as error:
            refused = error
    if refused is not None and not listed and must_succeed:
        raise refused
    return names


def _id_of(account: str, name: str, names: dict[str, str]) -> str:
    found = sorted(segment_id for segment_id, known in names.items() if known == name)
    if len(found) == 1:
        return found[0]
    if found:
        raise UnknownSegmentError(
            f'account {account} has {len(found)} segments named "{name}": {_joined(found)}',
            "Write the id of the right one in the settings",
        )
    raise UnknownSegmentError(
        f'account {account} has no segment named "{name}"',
        "Correct the name in the settings, or write the segment's id",
    )


def _joined(values: Sequence[str]) -> str:
    return ", ".join(chain(values[:10], ["..."] if values[10:] else []))
