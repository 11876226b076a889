"""The client of one Emarsys account: sign-in, limits and retries around all calls."""

from types import TracebackType
from typing import Any, Self

from emarsys_pipeline.emarsys.auth import Credentials
from emarsys_pipeline.emarsys.contact_lists import ContactListCalls
from emarsys_pipeline.emarsys.contacts import ContactCalls
from emarsys_pipeline.emarsys.events import EventCalls
from emarsys_pipeline.emarsys.exports import ExportCalls
from emarsys_pipeline.emarsys.fields import FieldCalls
from emarsys_pipeline.emarsys.permissions import PermissionCalls
from emarsys_pipeline.emarsys.rate_limit import RateLimiter, RateLimitStatus
from emarsys_pipeline.emarsys.retries import RetrySettings
from emarsys_pipeline.emarsys.segments import SegmentCalls
from emarsys_pipeline.emarsys.shapes import as_map
from emarsys_pipeline.emarsys.transport import Transport

DEFAULT_BASE_URL = "https://api.emarsys.net"


class EmarsysClient(
    FieldCalls,
    SegmentCalls,
    ContactListCalls,
    ExportCalls,
    ContactCalls,
    EventCalls,
    PermissionCalls,
):
    """One Emarsys account; a context manager, safe to share between threads.

    Example:
        with EmarsysClient(WsseCredentials("shop001", secret)) as client:
            print(client.count_segment("100400101"))

    Args:
        credentials: how to sign in; decides between ``/api/v2`` and ``/api/v3``.
        base_url: scheme and host.
        rate_limiter: share one (with a file) between all clients of an API user; None counts
            for this client alone.
        connect_timeout_seconds: for making a connection.
        read_timeout_seconds: the longest silence of the server; a JSON body may take five times
            as long in all.
        download_timeout_seconds: the same while a file is downloaded.
        retries: how long one call may go on trying.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        base_url: str = DEFAULT_BASE_URL,
        rate_limiter: RateLimiter | None = None,
        connect_timeout_seconds: float = 10.0,
        read_timeout_seconds: float = 60.0,
        download_timeout_seconds: float = 300.0,
        retries: RetrySettings | None = None,
    ) -> None:
        limiter = RateLimiter() if rate_limiter is None else rate_limiter
        self._owned_limiter = limiter if rate_limiter is None else None
        self._download_timeout_seconds = download_timeout_seconds
        self._transport = Transport(
            credentials,
            base_url=base_url,
            rate_limiter=limiter,
            retries=retries or RetrySettings(),
            timeout=(connect_timeout_seconds, read_timeout_seconds),
        )

    def get_settings(self) -> dict[str, Any]:
        """The account's settings as Emarsys writes them (``customer.settings``)."""
        return as_map(self._get("settings"))

    @property
    def calls(self) -> int:
        """Requests sent so far, retries included."""
        return self._transport.calls

    @property
    def bytes_received(self) -> int:
        """Bytes of reply bodies so far."""
        return self._transport.bytes_received

    @property
    def clock_skew_seconds(self) -> float | None:
        """This machine's clock minus the server's, to a second; None before the first reply."""
        return self._transport.clock_skew_seconds

    @property
    def rate_limit(self) -> RateLimitStatus | None:
        """What the last reply said about the rate limit."""
        return self._transport.rate_limit

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()
        if self._owned_limiter:
            self._owned_limiter.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return (
            f"EmarsysClient({self._transport.credentials!r}, base_url={self._transport.base_url!r})"
        )
