"""How errors of the stages reach the person who looks at a failed run."""

from collections.abc import Mapping

import dagster as dg

from emarsys_pipeline.defs.summaries import Metadata, named
from emarsys_pipeline.runbook import error_section

WHAT_TO_DO = "What to do: "
_UNKNOWN_REMEDY = "Read the error below and the run's log"


def remedy_of(error: Exception) -> str:
    """What to do about an error: its own remedy, or a hint where to look."""
    remedy = getattr(error, "remedy", None) or _UNKNOWN_REMEDY
    return str(remedy).strip().rstrip(".")


def is_retryable(error: Exception) -> bool:
    """Whether the same call may succeed later without anybody doing anything."""
    return bool(getattr(error, "is_retryable", False))


def failure(
    errors: Mapping[str, Exception],
    *,
    what: str,
    then: str,
    metadata: Metadata | None = None,
) -> dg.Failure:
    """The failure to raise when some of the work failed.

    Args:
        errors: what failed (a segment's partition, an account) and why.
        what: the work, in a few words: "did not land".
        then: what to do once the cause is gone.
        metadata: shown with the failure.

    Returns:
        A failure whose first line says what failed and what to do, since the UI's lists show no
        more; then why, part by part.
    """
    remedies = sorted({remedy_of(error) for error in errors.values()})
    lines = [
        f"{named(sorted(errors))} {what}. {WHAT_TO_DO}{'; '.join(remedies)}. {then}.",
        "Why:",
    ]
    lines += [
        f"- {name}: {type(error).__name__}: {_reason(error)}"
        for name, error in sorted(errors.items())
    ]
    sections = sorted({error_section(error) for error in errors.values()} - {""})
    lines += [f"More: {', '.join(sections)}"] if sections else []
    return dg.Failure(
        "\n".join(lines),
        metadata=metadata or {},
        allow_retries=any(is_retryable(error) for error in errors.values()),
    )


def _reason(error: Exception) -> str:
    """The error's text without its remedy, which stands above."""
    remedy = getattr(error, "remedy", None)
    return str(error).replace(str(remedy), "").rstrip() if remedy else str(error)
