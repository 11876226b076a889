"""What can go wrong when the messaging platform is told of a contact.

The tree::

    MessagingError
    ├── UnreachableError       no connection was made: nothing was sent
    ├── NoAnswerError          sent, and no whole or readable answer came
    ├── PlatformFailedError    HTTP 5xx
    ├── ThrottledError         HTTP 429
    ├── AccessRefusedError     HTTP 401 or 403: about the API key, not about the contact
    ├── WrongAddressError      a redirection, HTTP 404 or 405: no contact API is there
    └── ContactRefusedError    any other refusal: this contact, as it is, will never be taken

Messages carry the status and the masked text; never the body, the API key or a contact's value.
"""

from typing import ClassVar

from emarsys_pipeline.remote_errors import RemoteError


class MessagingError(RemoteError):
    """Base of everything that this client raises on purpose.

    Attributes:
        http_status: of the answer; None when none came.
        reply_text: what the platform said, masked.
        is_about_contact: whether the next contact may fare better.
        wait_seconds: how long the platform asks to wait; None when it does not say.
    """

    default_is_retryable: ClassVar[bool] = True
    is_about_contact: ClassVar[bool] = False

    def __init__(
        self,
        reason: str,
        *,
        http_status: int | None = None,
        reply_text: str = "",
        wait_seconds: float | None = None,
    ) -> None:
        self.http_status = http_status
        self.reply_text = reply_text
        self.wait_seconds = wait_seconds
        told = f": {reply_text}" if reply_text else ""
        super().__init__(f"the contact upsert {reason}{told}")


class UnreachableError(MessagingError):
    """No connection was made: nothing was sent."""

    default_remedy = "Check the network and messaging.http.url in the settings."


class NoAnswerError(MessagingError):
    """It was sent, and no whole or readable answer came."""

    default_remedy = "It is sent again by itself, without harm; if it stays, check the network."
    default_is_outcome_unknown = True


class PlatformFailedError(MessagingError):
    """HTTP 5xx; all but 501 and 503 leave open whether the upsert was applied."""

    default_remedy = "It is sent again by itself; if it stays, ask the platform's support."


class ThrottledError(MessagingError):
    """HTTP 429: too many requests."""

    default_remedy = "It is sent again by itself; if it stays, lower http.parallel_requests."


class AccessRefusedError(MessagingError):
    """HTTP 401 or 403: about the API key, not about the contact."""

    default_remedy = "Check the API key that messaging.http.secret names, and what it may do."
    default_is_retryable = False


class WrongAddressError(MessagingError):
    """No contact API is at this address."""

    default_remedy = "Correct messaging.http.url in the settings."
    default_is_retryable = False


class ContactRefusedError(MessagingError):
    """This contact, as it is, will never be taken."""

    default_remedy = (
        "See the reply text; custom properties must exist on the platform. Correct the values in "
        "Emarsys, or the mapping, or send the dead letters again once the platform takes them."
    )
    default_is_retryable = False
    is_about_contact = True
