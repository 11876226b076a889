"""Settings of an imaginary deployment, its definitions, and an instance to run them in."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from emarsys_pipeline.defs.build import build_definitions
from emarsys_pipeline.settings import Settings

MakeSettings = Callable[..., Settings]


@pytest.fixture
def make_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeSettings:
    monkeypatch.setenv("TEST_EMARSYS_USERNAME", "test001")
    monkeypatch.setenv("TEST_EMARSYS_SECRET", "test-secret")

    def make(**changes: object) -> Settings:
        account = {
            "name": "shop_de",
            "base_url": "http://127.0.0.1:9",
            "connection": {
                "auth": "wsse",
                "username": "${TEST_EMARSYS_USERNAME}",
                "secret": "${TEST_EMARSYS_SECRET}",
            },
            "default_region": "DE",
            "segments": [100400101, 100400102, 100400104],
            "fields": [
                {"emarsys": "1", "as": "first_name"},
                {"emarsys": "3", "as": "email", "identifier": "email"},
                {"emarsys": "37", "as": "mobile", "identifier": "phone"},
            ],
            "opt_in": {"field": "WhatsApp opt-in"},
        }
        account.update(changes.pop("account", {}))  # type: ignore[call-overload]
        values: dict[str, object] = {
            "home": tmp_path / "home",
            "windows": {"start": datetime(2026, 11, 1, tzinfo=UTC)},
            "accounts": [account],
        }
        return Settings.model_validate(values | changes)

    return make


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    return make_settings()


@pytest.fixture
def definitions(settings: Settings) -> dg.Definitions:
    return build_definitions(settings)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral
