"""``docs/errors.md``, from the error classes of the package."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator

import emarsys_pipeline
from emarsys_pipeline.emarsys.errors import EmarsysError
from emarsys_pipeline.stages.opt_in_pushes.verdicts import REMEDIES, UNKNOWN_REMEDY

# The sandbox plays Emarsys: its errors are answers, not messages to people.
LEFT_OUT = ("emarsys_pipeline.sandbox", "emarsys_pipeline.__main__")
HEADING = """# Errors

Every error that this program raises on purpose, and what to do. A failed run names the class after
the partition or account that it is about. What to do about a failed check, a late segment or a dead
daemon stands in the [runbook](runbook.md).
"""
REPLIES = """## Refused opt-in values

A value that Emarsys refuses for one contact is stored with its reply code in `opt_in_deliveries`.

| reply code | what to do |
| --- | --- |
"""


def error_classes() -> list[type[Exception]]:
    """All exceptions that the package defines, by name."""
    found = set()
    for module in pkgutil.walk_packages(emarsys_pipeline.__path__, "emarsys_pipeline."):
        if module.name.startswith(LEFT_OUT):
            continue
        loaded = importlib.import_module(module.name)
        found |= {
            value
            for value in vars(loaded).values()
            if inspect.isclass(value)
            and issubclass(value, Exception)
            and value.__module__.startswith("emarsys_pipeline.")
            and not value.__module__.startswith(LEFT_OUT)
        }
    return sorted(found, key=lambda kind: (not issubclass(kind, EmarsysError), kind.__name__))


def errors_page() -> str:
    """The whole page."""
    rows = [f"| {code} | {remedy} |" for code, remedy in sorted(REMEDIES.items())]
    rows.append(f"| any other | {UNKNOWN_REMEDY} |")
    return "\n".join([HEADING, *map(_section, error_classes()), REPLIES + "\n".join(rows) + "\n"])


def _section(kind: type[Exception]) -> str:
    about = inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0].replace("\n", " ")
    about = re.sub(r"``(.*?)``", r"`\1`", about)
    lines = [f"### {kind.__name__}", "", about, "", *_advice(kind), ""]
    return "\n".join(lines)


def _advice(kind: type[Exception]) -> Iterator[str]:
    remedy = getattr(kind, "default_remedy", None)
    yield f"- What to do: {remedy or 'the message itself ends with what to do.'}"
    is_retryable = getattr(kind, "default_is_retryable", getattr(kind, "is_retryable", None))
    if is_retryable is not None:
        said = "yes" if is_retryable else "no, something must be changed first"
        yield f"- May pass by itself: {said}."
    yield f"- Raised by: `{kind.__module__}`."
