"""The commented example that ``emarsys-pipeline init`` writes and that the sandbox runs with."""

from importlib import resources

EXAMPLE_NAME = "example_settings.yaml"


def example_settings() -> str:
    """The text of the example, as YAML that the pipeline loads without a change."""
    return resources.files(__package__).joinpath(EXAMPLE_NAME).read_text(encoding="utf-8")
