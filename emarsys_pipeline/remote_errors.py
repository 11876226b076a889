"""The base of what the clients of other systems raise on purpose."""

from typing import Any, ClassVar


class RemoteError(Exception):
    """Another system did not do what was asked, or did not answer; survives pickling.

    Attributes:
        remedy: what a person can do, one sentence; the message ends with it.
        is_retryable: whether the same call may succeed later without anybody's help.
        is_outcome_unknown: whether a write may have been applied although it failed here.
    """

    default_remedy: ClassVar[str] = "Try again; if it stays, look at the log."
    default_is_retryable: ClassVar[bool] = False
    default_is_outcome_unknown: ClassVar[bool] = False

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        self.remedy = remedy or self.default_remedy
        self.is_retryable = self.default_is_retryable
        self.is_outcome_unknown = self.default_is_outcome_unknown
        super().__init__(f"{message}. {self.remedy}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by state: constructors take other arguments than the text they make."""
        return _restore, (type(self), self.args, self.__dict__)


def _restore(kind: type[RemoteError], args: tuple[Any, ...], state: dict[str, Any]) -> RemoteError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error
