"""The commented example that ``emarsys-pipeline init`` writes and that the sandbox runs with."""

from datetime import datetime
from importlib import resources

EXAMPLE_NAME = "example_settings.yaml"
_PACKAGED_START = "2026-01-01T00:00:00Z"


def example_settings(start: datetime | None = None) -> str:
    """The text of the example, as YAML that the pipeline loads without a change.

    Args:
        start: the start of the first window, in UTC; None leaves that of the packaged file.
    """
    text = resources.files(__package__).joinpath(EXAMPLE_NAME).read_text(encoding="utf-8")
    return text if start is None else text.replace(_PACKAGED_START, f"{start:%Y-%m-%dT%H:%M:%SZ}")
