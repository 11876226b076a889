"""What can go wrong when talking to Emarsys.

The tree::

    EmarsysError
    ├── NoReplyError                 nothing, or not all of the reply, came back
    ├── UnreadableReplyError         a reply came, but not one that the API documents
    ├── IncompleteExportError        the downloaded file is not a whole CSV file
    ├── ExportFailedError            Emarsys could not make the file, or no longer has it
    │   └── ExportNotReadyError      the file was not made before our deadline
    ├── UnknownNameError             no field, choice or event is called so, or several are
    ├── UnusableValueError           the field cannot take this value
    ├── ContactFailedError           an action on one contact failed for this contact
    └── ReplyError                   Emarsys answered that it did not do it
        ├── AuthenticationError      HTTP 401
        ├── PermissionMissingError   HTTP 403
        ├── RateLimitedError         HTTP 429
        ├── BusyError                HTTP 423
        ├── NotYetError              HTTP 202 with a failing reply code, or 404 with 4005
        ├── ServerError              HTTP 5xx
        └── RejectedRequestError     every other refusal, HTTP 200 with a failing code included
            └── ExportAlreadyRunningError   reply code 4001

Messages carry the method, the path without its query, the status, the code and the masked text;
never a request body, a query value or a secret. All errors survive pickling.
"""

from emarsys_pipeline.emarsys.masking import mask_personal_data
from emarsys_pipeline.remote_errors import RemoteError


class EmarsysError(RemoteError):
    """Base of everything that this client raises on purpose.

    Where the outcome of a write is unknown, read the values back before repeating it.
    """


class NoReplyError(EmarsysError):
    """Nothing, or not all of the reply, came back.

    ``was_sent`` is False when no connection was made, so that nothing can have been applied.
    """

    default_remedy = "Check the network and the base URL, then try again."
    default_is_retryable = True

    def __init__(self, *, method: str, path: str, reason: str, was_sent: bool) -> None:
        self.method = method
        self.path = path
        self.reason = reason
        self.was_sent = was_sent
        what = "got no whole reply" if was_sent else "could not be sent"
        super().__init__(f"{method} {path} {what} ({reason})")


class UnreadableReplyError(EmarsysError):
    """A reply came whose content is not what the API documents for this call."""

    default_remedy = "Another server may have answered; check the base URL and the proxy."
    default_is_retryable = True

    def __init__(self, *, method: str, path: str, http_status: int, reason: str) -> None:
        self.method = method
        self.path = path
        self.http_status = http_status
        self.reason = reason
        super().__init__(f"{method} {path} answered HTTP {http_status}, but {reason}")


class IncompleteExportError(EmarsysError):
    """The downloaded file is not a whole CSV file."""

    default_remedy = "Download it again; if it stays, start a new export."
    default_is_retryable = True

    def __init__(self, *, export_id: str, reason: str) -> None:
        self.export_id = export_id
        self.reason = reason
        super().__init__(f"the file of export {export_id} is incomplete: {reason}")


class ExportFailedError(EmarsysError):
    """Emarsys could not make the file of this export, or no longer has it."""

    default_remedy = "Start a new export."
    default_is_retryable = True

    def __init__(self, *, export_id: str, reason: str) -> None:
        self.export_id = export_id
        self.reason = reason
        super().__init__(f"export {export_id} gave no file: {reason}")


class ExportNotReadyError(ExportFailedError):
    """The file was not made before our deadline; the export may still be running."""

    default_remedy = "Wait for the same export again, with a longer deadline."


class UnknownNameError(EmarsysError):
    """No field, choice or event is called so, or several are; the message names the nearest."""

    default_remedy = "Use one of the names, string ids or ids of this account."


class UnusableValueError(EmarsysError):
    """The field cannot take this value; the message does not repeat the value."""

    default_remedy = "Give a value of the field's type."


class ContactFailedError(EmarsysError):
    """An action on one contact failed for this contact; ``code`` as in ``ContactError``."""

    default_remedy = "Check the key field and the key value."

    def __init__(self, *, action: str, code: int, text: str, is_retryable: bool) -> None:
        self.code = code
        self.text = text
        super().__init__(f"{action} failed for this contact with code {code} ({text})")
        self.is_retryable = is_retryable


class ReplyError(EmarsysError):
    """Emarsys answered that it did not do what was asked.

    ``reply_code`` is None when the body held none. ``reply_text`` is masked.
    """

    default_remedy = "See the reply code in the Emarsys API documentation."

    def __init__(
        self,
        *,
        method: str,
        path: str,
        http_status: int,
        reply_code: int | None = None,
        reply_text: str = "",
        remedy: str | None = None,
    ) -> None:
        self.method = method
        self.path = path
        self.http_status = http_status
        self.reply_code = reply_code
        self.reply_text = mask_personal_data(reply_text)
        code = "no reply code" if reply_code is None else f"reply code {reply_code}"
        text = f": {self.reply_text}" if self.reply_text else ""
        super().__init__(
            f"{method} {path} was refused with HTTP {http_status}, {code}{text}".rstrip("."),
            remedy=remedy,
        )


class AuthenticationError(ReplyError):
    """The credentials were refused (HTTP 401).

    ``clock_skew_seconds`` is this machine's clock minus the server's, None when it is not known.
    """

    default_remedy = (
        "Check the credentials of this account under Security Settings > API Credentials."
    )

    def __init__(
        self,
        *,
        method: str,
        path: str,
        http_status: int = 401,
        reply_code: int | None = None,
        reply_text: str = "",
        remedy: str | None = None,
        clock_skew_seconds: float | None = None,
    ) -> None:
        self.clock_skew_seconds = clock_skew_seconds
        super().__init__(
            method=method,
            path=path,
            http_status=http_status,
            reply_code=reply_code,
            reply_text=reply_text,
            remedy=remedy,
        )


class PermissionMissingError(ReplyError):
    """The credentials are right but may not use this endpoint (HTTP 403)."""

    default_remedy = (
        "Switch the endpoint on for this API user under Security Settings > API Credentials; "
        "a change can take some minutes to act."
    )


class RateLimitedError(ReplyError):
    """Too many requests (HTTP 429); ``wait_seconds`` until the server's reset."""

    default_remedy = "Wait until the limit is reset; run all processes with the same settings file."
    default_is_retryable = True

    def __init__(
        self,
        *,
        method: str,
        path: str,
        http_status: int = 429,
        reply_code: int | None = None,
        reply_text: str = "",
        wait_seconds: float = 60.0,
    ) -> None:
        self.wait_seconds = wait_seconds
        super().__init__(
            method=method,
            path=path,
            http_status=http_status,
            reply_code=reply_code,
            reply_text=reply_text,
        )


class BusyError(ReplyError):
    """Another evaluation is running in this account (HTTP 423)."""

    default_remedy = "Wait until the other segment has been evaluated."
    default_is_retryable = True


class NotYetError(ReplyError):
    """The result is still being computed (HTTP 202, or 404 with 4005 for an export's file)."""

    default_remedy = "Ask again later."
    default_is_retryable = True


class ServerError(ReplyError):
    """Emarsys failed (HTTP 5xx)."""

    default_remedy = "Try again later; repeated failing calls are ignored by Emarsys for a while."
    default_is_retryable = True


class RejectedRequestError(ReplyError):
    """The request is wrong for this account: repeating it unchanged gives the same answer."""

    default_remedy = "Correct the request; see the reply text."


class ExportAlreadyRunningError(RejectedRequestError):
    """An export with the same settings is running (reply code 4001); its id is not told."""

    default_remedy = "Wait until it has finished, or give the export another notification marker."
    default_is_retryable = True
