"""Resources: the warehouse, the inbox, and a client for each Emarsys account.

Their configuration names files and environment variables, so it can be shown; secrets are read
from the environment when a client is made.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from pydantic import Field

from emarsys_pipeline.connect import connect
from emarsys_pipeline.defs.lake_connection import LakeConnection
from emarsys_pipeline.emarsys import EmarsysClient
from emarsys_pipeline.inbox import Inbox
from emarsys_pipeline.messaging import MessagingClient
from emarsys_pipeline.settings import (
    AccountSettings,
    LakeSettings,
    OAuth2Connection,
    SecretReference,
    Settings,
    SettingsError,
    WsseConnection,
)
from emarsys_pipeline.storage import inbox_place, rate_limit_place, warehouse_place
from emarsys_pipeline.warehouse import Warehouse


class Stored(dg.ConfigurableResource[None]):
    """Something that is kept in files, or where several machines share it."""

    lake: LakeConnection | None = Field(
        default=None, description="Where several machines share it; left out: in files"
    )

    @property
    def lake_settings(self) -> LakeSettings | None:
        """The lake, if there is one."""
        return None if self.lake is None else self.lake.settings


class WarehouseResource(Stored):
    """The tables that all stages write, one at a time, and what analysts see of them."""

    directory: str = Field(description="Folder of warehouse.duckdb and analytics.duckdb")
    publish_interval_seconds: float = Field(
        description="The published copy is replaced at most this often"
    )

    def open(self) -> Warehouse:
        """The warehouse, ready for a run; nothing stays open between its calls."""
        warehouse = self.without_migration()
        warehouse.prepare()
        return warehouse

    def without_migration(self) -> Warehouse:
        """The warehouse as it is, for sensors: migrating would wait for the run that writes."""
        return Warehouse(
            warehouse_place(Path(self.directory), self.lake_settings),
            publish_interval_seconds=self.publish_interval_seconds,
        )


class InboxResource(Stored):
    """The durable queue in which webhooks, files and commands leave messages."""

    path: str = Field(description="The inbox's SQLite file")

    def open(self) -> Inbox:
        """The inbox; use it in a ``with`` block, it stays open."""
        return Inbox(inbox_place(Path(self.path), self.lake_settings))


class AccountConnection(dg.Config):
    """How one Emarsys account is reached; credentials by the name of their variable."""

    name: str = Field(description="Account name from the settings")
    base_url: str = Field(description="Root of the Emarsys API")
    auth: str = Field(description="wsse or oauth2")
    user_variable: str = Field(
        description="Environment variable that holds the user name or client id"
    )
    secret_variable: str = Field(description="Environment variable that holds the secret")
    token_url: str | None = Field(default=None, description="OAuth2: where tokens are issued")

    @classmethod
    def of(cls, account: AccountSettings) -> "AccountConnection":
        """The connection that the settings give an account."""
        connection = account.connection
        if isinstance(connection, OAuth2Connection):
            return cls(
                name=account.name,
                base_url=account.base_url,
                auth=connection.auth,
                user_variable=connection.client_id.variable,
                secret_variable=connection.client_secret.variable,
                token_url=connection.token_url,
            )
        return cls(
            name=account.name,
            base_url=account.base_url,
            auth=connection.auth,
            user_variable=connection.username.variable,
            secret_variable=connection.secret.variable,
        )

    @property
    def connection(self) -> WsseConnection | OAuth2Connection:
        """The same as the settings write it."""
        user = SecretReference(self.user_variable)
        secret = SecretReference(self.secret_variable)
        if self.auth == "oauth2" and self.token_url is not None:
            return OAuth2Connection(
                auth="oauth2", client_id=user, client_secret=secret, token_url=self.token_url
            )
        return WsseConnection(auth="wsse", username=user, secret=secret)


class EmarsysAccounts(Stored):
    """The configured Emarsys accounts; all processes share one account's rate limit."""

    accounts: list[AccountConnection] = Field(description="One connection per account")
    rate_limit_path: str = Field(description="File through which processes share rate limits")

    @contextmanager
    def client(self, account: str) -> Iterator[EmarsysClient]:
        """A client for this account.

        Raises:
            SettingsError: the settings have no such account, or a credential's environment
                variable is not set.
        """
        connections = {connection.name: connection for connection in self.accounts}
        if account not in connections:
            raise SettingsError(
                f"the settings have no account {account}, they have {sorted(connections)}: put it "
                "back into the settings file, or delete the partitions of its segments"
            )
        rate_limit = rate_limit_place(Path(self.rate_limit_path), self.lake_settings)
        with connect(connections[account], rate_limit=rate_limit) as client:
            yield client


class MessagingResource(dg.ConfigurableResource[None]):
    """The messaging platform's contact API; the key by the name of its variable."""

    url: str = Field(description="Address that takes contact upserts")
    secret_variable: str = Field(description="Environment variable that holds the API key")
    timeout_seconds: float = Field(description="How long to wait for an answer")

    @contextmanager
    def client(self) -> Iterator[MessagingClient]:
        """A client of the platform.

        Raises:
            SettingsError: the key's environment variable is not set.
        """
        key = SecretReference(self.secret_variable).reveal()
        with MessagingClient(self.url, key, timeout_seconds=self.timeout_seconds) as client:
            yield client


def build_resources(settings: Settings) -> dict[str, dg.ConfigurableResource[None]]:
    """All resources, by the names under which assets and sensors ask for them."""
    http = settings.messaging.http
    lake = None if settings.lake is None else LakeConnection.of(settings.lake)
    messaging = (
        {}
        if http is None
        else {
            "messaging": MessagingResource(
                url=http.url,
                secret_variable=http.secret.variable,
                timeout_seconds=http.timeout_seconds,
            )
        }
    )
    return {
        **messaging,
        "warehouse": WarehouseResource(
            directory=str(settings.warehouse_directory),
            publish_interval_seconds=settings.publish.min_interval_seconds,
            lake=lake,
        ),
        "inbox": InboxResource(path=str(settings.inbox_path), lake=lake),
        "emarsys": EmarsysAccounts(
            accounts=[AccountConnection.of(account) for account in settings.accounts],
            rate_limit_path=str(settings.rate_limit_path),
            lake=lake,
        ),
    }
