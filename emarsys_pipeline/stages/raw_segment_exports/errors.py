"""Why an import stops, beyond what Emarsys itself answers.

::

    SegmentImportError
    +-- UnknownFieldError         a mapped field is not in the account, or its name is not unique
    +-- UnknownSegmentError       a configured segment is not in the account
    +-- TooManyContactsError      the segment is above the limit; nothing was exported
    +-- SuspiciousDeliveryError   complete, as far as one can tell, but unbelievably small
    |   +-- MiscountedError       its size is not that of the segment just before or just after
    +-- WrongDeliveryError        rows or columns are not those that were asked for
    +-- PastWindowError           a later window has landed, and Emarsys cannot show the past
"""


class SegmentImportError(Exception):
    """An import that stopped before it wrote anything; trying again alone does not help.

    Args:
        message: what was found, in numbers and ids, without personal data.
        remedy: a sentence that says what to do.
    """

    is_retryable = False

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message, remedy)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}. {self.remedy}"


class UnknownFieldError(SegmentImportError):
    """A mapped field is not in the account, or its name is not unique."""


class UnknownSegmentError(SegmentImportError):
    """A configured segment is not in the account, or its name is not unique."""


class TooManyContactsError(SegmentImportError):
    """A segment has more contacts than one import may take."""


class SuspiciousDeliveryError(SegmentImportError):
    """A segment is empty or has shrunk so much that it looks like a fault."""


class MiscountedError(SuspiciousDeliveryError):
    """More or fewer contacts came than the segment had just before and just after."""


class WrongDeliveryError(SegmentImportError):
    """What arrived is not what was asked for."""


class PastWindowError(SegmentImportError):
    """A window that is not the segment's newest was to be imported again."""
