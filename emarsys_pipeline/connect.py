"""From an account's settings to a client: the one place where credentials are read."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from emarsys_pipeline.emarsys import (
    EmarsysClient,
    OAuth2Credentials,
    RateLimiter,
    RetrySettings,
    WsseCredentials,
)
from emarsys_pipeline.settings import OAuth2Connection, WsseConnection

if TYPE_CHECKING:
    from emarsys_pipeline.postgresql import Database


class Reachable(Protocol):
    """What is needed to reach an account; ``AccountSettings`` has it."""

    @property
    def base_url(self) -> str:
        """Scheme and host of the API."""

    @property
    def connection(self) -> WsseConnection | OAuth2Connection:
        """How to sign in; secrets by the name of their variable."""


def read_credentials(
    connection: WsseConnection | OAuth2Connection,
) -> WsseCredentials | OAuth2Credentials:
    """The credentials, read from the environment now.

    Raises:
        SettingsError: a variable is not set; the message names it.
    """
    if isinstance(connection, OAuth2Connection):
        return OAuth2Credentials(
            connection.client_id.reveal(), connection.client_secret.reveal(), connection.token_url
        )
    return WsseCredentials(connection.username.reveal(), connection.secret.reveal())


@contextmanager
def connect(
    account: Reachable, *, rate_limit: "Path | Database", retries: RetrySettings | None = None
) -> Iterator[EmarsysClient]:
    """A client of this account.

    Args:
        account: which account, and how to sign in to it.
        rate_limit: where all who use the account share its rate limit: a file, made with its
            folder, or a database.
        retries: how long one call may go on trying; None for the client's defaults.

    Raises:
        SettingsError: a credential's environment variable is not set.
    """
    credentials = read_credentials(account.connection)
    with (
        closing(RateLimiter(rate_limit)) as rate_limiter,
        EmarsysClient(
            credentials, base_url=account.base_url, rate_limiter=rate_limiter, retries=retries
        ) as client,
    ):
        yield client
