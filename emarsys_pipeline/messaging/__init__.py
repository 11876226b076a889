"""Client of the messaging platform's contact API, shaped after charles's published upsert.

No dagster, no duckdb, no settings: bodies come as JSON text, answers go as results and errors.
"""

from emarsys_pipeline.messaging.client import MessagingClient
from emarsys_pipeline.messaging.errors import (
    AccessRefusedError,
    ContactRefusedError,
    MessagingError,
    NoAnswerError,
    PlatformFailedError,
    ThrottledError,
    UnreachableError,
    WrongAddressError,
)

__all__ = [
    "AccessRefusedError",
    "ContactRefusedError",
    "MessagingClient",
    "MessagingError",
    "NoAnswerError",
    "PlatformFailedError",
    "ThrottledError",
    "UnreachableError",
    "WrongAddressError",
]
