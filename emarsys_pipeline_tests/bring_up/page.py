"""The commands of ``docs/deploy.md``, in their order."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from emarsys_pipeline_tests.docs.pages import DOCS

PAGE = (DOCS / "deploy.md").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Command:
    """One line of a block of the page, and the section it stands in."""

    section: str
    line: str


def commands() -> Iterator[Command]:
    """All commands of the numbered sections: those that bring everything up."""
    for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        title, _, body = section.partition("\n")
        if re.match(r"\d+\. ", title):
            for block in re.findall(r"^```sh\n(.*?)^```$", body, re.DOTALL | re.MULTILINE):
                yield from (Command(title, line) for line in block.splitlines())
