import pytest

from emarsys_pipeline.connect import read_credentials
from emarsys_pipeline.defs.resources import (
    AccountConnection,
    EmarsysAccounts,
    WarehouseResource,
    build_resources,
)
from emarsys_pipeline.emarsys import OAuth2Credentials, WsseCredentials
from emarsys_pipeline.settings import Settings, SettingsError
from emarsys_pipeline_tests.defs.conftest import MakeSettings


def test_credentials_are_read_when_they_are_used(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = AccountConnection.of(settings.accounts[0]).connection
    monkeypatch.setenv("TEST_EMARSYS_SECRET", "rotated")

    assert read_credentials(connection) == WsseCredentials("test001", "rotated")


def test_an_oauth2_account_asks_its_own_token_endpoint(make_settings: MakeSettings) -> None:
    settings = make_settings(
        account={
            "connection": {
                "auth": "oauth2",
                "client_id": "${TEST_EMARSYS_USERNAME}",
                "client_secret": "${TEST_EMARSYS_SECRET}",
                "token_url": "https://tenant.example.org/token",
            }
        }
    )

    credentials = read_credentials(AccountConnection.of(settings.accounts[0]).connection)

    assert isinstance(credentials, OAuth2Credentials)
    assert (credentials.client_id, credentials.token_url) == (
        "test001",
        "https://tenant.example.org/token",
    )


def test_an_account_that_left_the_settings_is_named_with_what_to_do(settings: Settings) -> None:
    emarsys = build_resources(settings)["emarsys"]
    assert isinstance(emarsys, EmarsysAccounts)

    with (
        pytest.raises(SettingsError, match=r"no account shop_at.*put it back into the settings"),
        emarsys.client("shop_at"),
    ):
        pass


def test_opening_the_warehouse_brings_its_schema_up_to_date(settings: Settings) -> None:
    resource = build_resources(settings)["warehouse"]
    assert isinstance(resource, WarehouseResource)

    with resource.open().read() as connection:
        rows = connection.execute("select count(*) from mapped_contacts").fetchall()

    assert rows == [(0,)]
