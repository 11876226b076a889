"""Where the documentation helps: the page and section for a check, an error, or another failure."""

RUNBOOK = "docs/runbook.md"
ERRORS = "docs/errors.md"

RUN_FAILED = f"{RUNBOOK}#a-run-failed"
TICK_FAILED = f"{RUNBOOK}#a-schedule-or-sensor-fails"


def check_section(name: str) -> str:
    """The section of an asset check, as a path from the top of the project."""
    return f"{RUNBOOK}#{name}"


def error_section(kind: str) -> str:
    """The section of an error, by the name of its class."""
    return f"{ERRORS}#{kind.lower()}"
