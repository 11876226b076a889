"""Where the documentation helps: the page and section for a check, an error, or another failure."""

RUNBOOK = "docs/runbook.md"
ERRORS = "docs/errors.md"

RUN_FAILED = f"{RUNBOOK}#a-run-failed"
TICK_FAILED = f"{RUNBOOK}#a-schedule-or-sensor-fails"


def check_section(name: str) -> str:
    """The section of an asset check, as a path from the top of the project."""
    return f"{RUNBOOK}#{name}"


def error_section(error: Exception) -> str:
    """The section of an error of ours; empty for one of a library."""
    kind = type(error)
    ours = kind.__module__.split(".")[0] == __name__.split(".")[0]
    return f"{ERRORS}#{kind.__name__.lower()}" if ours else ""
