"""Whether docs/dependencies.md names exactly what pyproject.toml asks for."""

import re
import tomllib

from emarsys_pipeline_tests.docs.pages import DOCS, ROOT

PAGE = (DOCS / "dependencies.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def _names(requirements: list[str]) -> set[str]:
    """The packages that are asked for; extras of our own are groups, not packages."""
    names = {re.split(r"[^A-Za-z0-9_.-]", requirement)[0] for requirement in requirements}
    return names - {PROJECT["name"]}


def _named(text: str) -> list[str]:
    cells = re.findall(r"^\| (`[^|]+) \|", text, re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def test_each_dependency_is_named_once_and_no_other() -> None:
    to_run, to_scale, to_develop = re.split(r"^## To (?:run on|develop)", PAGE, flags=re.MULTILINE)
    assert sorted(_named(to_run)) == sorted(_names(PROJECT["dependencies"]))
    optional = dict(PROJECT["optional-dependencies"])
    assert sorted(_named(to_scale)) == sorted(_names(optional.pop("scale")))
    wanted = {name for group in optional.values() for name in _names(group)}
    assert sorted(_named(to_develop)) == sorted(wanted)


def test_each_has_a_pinned_version() -> None:
    pinned = {
        line.split("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
    }
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    wanted = {name.lower() for group in groups for name in _names(group)}
    assert wanted - pinned == set()
