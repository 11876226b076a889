"""The catalogue sensor: configured segments become partitions, new ones are imported."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import dagster as dg

from emarsys_pipeline.defs.failures import remedy_of
from emarsys_pipeline.defs.jobs import SEGMENT_IMPORT
from emarsys_pipeline.defs.labels import OWNERS
from emarsys_pipeline.defs.partitions import (
    SEGMENTS_NAME,
    Partitions,
    import_range_tags,
    segment_key,
    split_segment_key,
)
from emarsys_pipeline.defs.resources import EmarsysAccounts
from emarsys_pipeline.settings import AccountSettings, Settings, load_settings
from emarsys_pipeline.stages.raw_segment_exports import resolve_segments


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What the settings ask for: the partition keys by account, and the accounts in trouble."""

    keys: dict[str, list[str]] = field(default_factory=dict)
    errors: dict[str, Exception] = field(default_factory=dict)

    @property
    def wanted(self) -> list[str]:
        """The keys of all accounts that could be asked."""
        return [key for keys in self.keys.values() for key in keys]


def build_catalogue_sensor(settings: Settings, partitions: Partitions) -> dg.SensorDefinition:
    """The sensor; on by default."""

    @dg.sensor(
        name="segment_catalogue",
        job=SEGMENT_IMPORT,
        minimum_interval_seconds=settings.imports.catalogue_interval_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        owners=OWNERS,
        description=(
            "Turns the segments of the settings file into partitions. A new segment is imported "
            "at once, in full, for the newest window that has ended; one that was removed from "
            "the settings loses its partitions here, and keeps its rows in the warehouse. Asks "
            "Emarsys only when the settings have changed."
        ),
    )
    def segment_catalogue(
        context: dg.SensorEvaluationContext, emarsys: EmarsysAccounts
    ) -> dg.SensorResult:
        # Read anew, so that a segment added to the file is seen without reloading Dagster.
        current = settings if settings.path is None else load_settings(settings.path)
        known = context.instance.get_dynamic_partitions(SEGMENTS_NAME)
        fingerprint = _fingerprint(current, known)
        if context.cursor == fingerprint:
            return dg.SensorResult(
                skip_reason=f"All {len(known)} configured segments are partitions already.",
                cursor=context.cursor,
            )
        catalogue = resolve(current.accounts, emarsys)
        for account, error in catalogue.errors.items():
            context.log.error("%s: %s (%s)", account, remedy_of(error), error)
        if catalogue.errors and not catalogue.keys:
            raise next(iter(catalogue.errors.values()))
        return _request(catalogue, known, current, partitions)

    return segment_catalogue


def resolve(accounts: tuple[AccountSettings, ...], emarsys: EmarsysAccounts) -> Catalogue:
    """Ask Emarsys for the configured segments of each account."""
    catalogue = Catalogue()
    for account in accounts:
        try:
            with emarsys.client(account.name) as client:
                segments = resolve_segments(client, account)
        except Exception as error:  # noqa: BLE001 one account must not hold up the others
            catalogue.errors[account.name] = error
        else:
            catalogue.keys[account.name] = [
                segment_key(account.name, segment_id) for segment_id in segments
            ]
    return catalogue


def _request(
    catalogue: Catalogue, known: Sequence[str], settings: Settings, partitions: Partitions
) -> dg.SensorResult:
    """Add and import what is new, drop what is no longer configured."""
    new = [key for key in catalogue.wanted if key not in known]
    gone = [
        key
        for key in known
        if split_segment_key(key)[0] not in catalogue.errors and key not in catalogue.wanted
    ]
    changes: list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest] = []
    if new:
        changes.append(partitions.segments.build_add_request(new))
    if gone:
        changes.append(partitions.segments.build_delete_request(gone))
    window = partitions.grid.newest_closed(datetime.now(UTC))
    requests = []
    if new and window is not None:
        # New keys are added one after the other, so a range holds them and nothing else.
        requests.append(
            dg.RunRequest(
                run_key=f"initial-import-{window.key}-{_digest(new)}",
                tags=import_range_tags(new, window),
            )
        )
    remaining = [*(key for key in known if key not in gone), *new]
    return dg.SensorResult(
        dynamic_partitions_requests=changes,
        run_requests=requests,
        skip_reason=None if requests else "No segment is new.",
        # An account in trouble is asked again at the next tick.
        cursor=None if catalogue.errors else _fingerprint(settings, remaining),
    )


def _fingerprint(settings: Settings, keys: Sequence[str]) -> str:
    """A value that changes when the configured segments or the known partitions do."""
    configured = {
        account.name: [
            account.base_url,
            [[segment.id, segment.name] for segment in account.segments],
        ]
        for account in settings.accounts
    }
    return _digest([configured, sorted(keys)])


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
