from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from emarsys_pipeline.defs.build import build_definitions
from emarsys_pipeline.defs.emarsys_import import catalogue_sensor
from emarsys_pipeline.defs.resources import build_resources
from emarsys_pipeline.emarsys import EmarsysClient
from emarsys_pipeline.settings import AccountSettings, Settings, SettingsError
from emarsys_pipeline_tests.defs.conftest import MakeSettings

Changes = list[tuple[str, list[str]]]


@dataclass
class Emarsys:
    """Answers what the account's segments are, and counts how often it was asked."""

    names: Mapping[str, str] = field(default_factory=lambda: {"VIP customers": "100400102"})
    is_down: bool = False
    calls: int = 0

    def resolve(self, _client: EmarsysClient, account: AccountSettings) -> dict[str, str]:
        self.calls += 1
        if self.is_down:
            raise ConnectionError("Emarsys does not answer")
        return {
            item.id or self.names[item.name or ""]: item.name or "" for item in account.segments
        }


@pytest.fixture
def emarsys(monkeypatch: pytest.MonkeyPatch) -> Emarsys:
    fake = Emarsys()
    monkeypatch.setattr(catalogue_sensor, "resolve_segments", fake.resolve)
    return fake


@dataclass
class Sensor:
    """The sensor of a deployment, with the daemon's part played by the test."""

    settings: Settings
    instance: dg.DagsterInstance
    emarsys: Emarsys
    cursor: str | None = None

    def tick(self) -> tuple[Changes, list[tuple[str, str]]]:
        """What one tick changes in the partitions, and the ranges whose import it asks for."""
        definitions = build_definitions(self.settings)
        with dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            definitions=definitions,
            resources=dict(build_resources(self.settings)),
        ) as context:
            data = definitions.resolve_sensor_def("segment_catalogue").evaluate_tick(context)
        self.cursor = data.cursor or self.cursor
        changes: Changes = []
        for request in data.dynamic_partitions_requests or []:
            keys = list(request.partition_keys)
            if isinstance(request, dg.AddDynamicPartitionsRequest):
                changes.append(("add", keys))
                self.instance.add_dynamic_partitions(request.partitions_def_name, keys)
            else:
                changes.append(("delete", keys))
                for key in keys:
                    self.instance.delete_dynamic_partition(request.partitions_def_name, key)
        return changes, [
            (
                request.tags["dagster/asset_partition_range_start"],
                request.tags["dagster/asset_partition_range_end"],
            )
            for request in data.run_requests or []
        ]


@pytest.fixture
def make_sensor(
    instance: dg.DagsterInstance, make_settings: MakeSettings, emarsys: Emarsys
) -> Callable[..., Sensor]:
    def make(**changes: object) -> Sensor:
        return Sensor(make_settings(**changes), instance, emarsys)

    return make


def _newest_window(sensor: Sensor) -> str:
    window = sensor.settings.windows.grid.newest_closed(datetime.now(UTC))
    assert window is not None
    return window.key


def test_new_segments_become_partitions_and_are_imported_by_one_run_in_the_same_tick(
    make_sensor: Callable[..., Sensor],
) -> None:
    sensor = make_sensor(account={"segments": [100400101, {"name": "VIP customers"}]})
    window = _newest_window(sensor)

    assert sensor.tick() == (
        [("add", ["shop_de-100400101", "shop_de-100400102"])],
        [(f"shop_de-100400101|{window}", f"shop_de-100400102|{window}")],
    )


def test_emarsys_is_asked_again_only_when_the_settings_change(
    make_sensor: Callable[..., Sensor],
) -> None:
    sensor = make_sensor()
    sensor.tick()

    assert sensor.tick() == ([], [])
    assert sensor.emarsys.calls == 1


def test_a_segment_that_is_configured_later_is_imported_alone(
    make_sensor: Callable[..., Sensor],
) -> None:
    sensor = make_sensor(account={"segments": [100400101]})
    sensor.tick()
    window = _newest_window(sensor)

    sensor.settings = make_sensor(account={"segments": [100400103, 100400101]}).settings

    assert sensor.tick() == (
        [("add", ["shop_de-100400103"])],
        [(f"shop_de-100400103|{window}", f"shop_de-100400103|{window}")],
    )


def test_a_segment_that_is_no_longer_configured_loses_its_partition(
    make_sensor: Callable[..., Sensor],
) -> None:
    sensor = make_sensor(account={"segments": [100400101, 100400102]})
    sensor.tick()

    sensor.settings = make_sensor(account={"segments": [100400102]}).settings

    assert sensor.tick() == ([("delete", ["shop_de-100400101"])], [])
    assert sensor.tick() == ([], [])


def test_a_segment_added_to_the_file_is_seen_without_reloading(
    make_sensor: Callable[..., Sensor], tmp_path: Path
) -> None:
    path = tmp_path / "emarsys_pipeline.yaml"
    sensor = make_sensor(path=path, account={"segments": [100400101]})
    window = _newest_window(sensor)
    path.write_text(_SETTINGS_FILE.replace("SEGMENTS", "[100400101]"))
    sensor.tick()

    path.write_text(_SETTINGS_FILE.replace("SEGMENTS", "[100400101, 100400104]"))

    assert sensor.tick() == (
        [("add", ["shop_de-100400104"])],
        [(f"shop_de-100400104|{window}", f"shop_de-100400104|{window}")],
    )


def test_partitions_are_kept_while_emarsys_does_not_answer(
    make_sensor: Callable[..., Sensor], instance: dg.DagsterInstance
) -> None:
    sensor = make_sensor(account={"segments": [100400101]})
    sensor.tick()
    sensor.emarsys.is_down = True
    sensor.settings = make_sensor(account={"segments": [100400102]}).settings

    with pytest.raises(ConnectionError, match="does not answer"):
        sensor.tick()

    assert list(instance.get_dynamic_partitions("emarsys_segment")) == ["shop_de-100400101"]


def test_a_missing_credential_names_its_variable(
    make_sensor: Callable[..., Sensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    sensor = make_sensor()
    monkeypatch.delenv("TEST_EMARSYS_SECRET")

    with pytest.raises(SettingsError, match="TEST_EMARSYS_SECRET"):
        sensor.tick()


_SETTINGS_FILE = """
windows: {start: 2026-11-01T00:00:00Z}
accounts:
  - name: shop_de
    base_url: http://127.0.0.1:9
    connection:
      auth: wsse
      username: ${TEST_EMARSYS_USERNAME}
      secret: ${TEST_EMARSYS_SECRET}
    default_region: DE
    segments: SEGMENTS
    fields:
      - {emarsys: 3, as: email, identifier: email}
"""
