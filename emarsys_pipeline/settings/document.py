"""A YAML document with the line of every key and value, so that mistakes can be pointed at.

Plain YAML as people expect it: ``NO`` and ``yes`` are text, only ``true`` and ``false`` are
booleans, times stay text. ``${NAME}`` may stand unquoted anywhere.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import yaml

from emarsys_pipeline.settings.secret import REFERENCE

Place = tuple[str | int, ...]

# Inside {...} YAML reads the braces of ${NAME} as its own. Two private characters of the same
# width as "${" and "}" keep all columns where they are.
OPENING, CLOSING = "\ue000\ue000", "\ue001"
PROTECTED = re.compile(f"{OPENING}([^{CLOSING}]*){CLOSING}")


class DocumentError(Exception):
    """Text that is no YAML, or repeats a key; ``line`` counts from 1."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(line, problem)
        self.line = line
        self.problem = problem


class _Loader(yaml.SafeLoader):
    """SafeLoader that only guesses at null, booleans and decimal numbers."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


for _tag, _pattern, _first in (
    ("null", r"~|null|", "~n\0"),
    ("bool", r"true|false", "tf"),
    ("int", r"[-+]?[0-9][0-9_]*", "-+0123456789"),
    ("float", r"[-+]?[0-9][0-9_]*\.[0-9]+", "-+0123456789"),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})\\Z"), list(_first)
    )

_SCALARS: dict[str, Callable[[str], Any]] = {
    "tag:yaml.org,2002:null": lambda _text: None,
    "tag:yaml.org,2002:bool": lambda text: text == "true",
    "tag:yaml.org,2002:int": lambda text: int(text.replace("_", "")),
    "tag:yaml.org,2002:float": lambda text: float(text.replace("_", "")),
}


@dataclass(slots=True)
class Document:
    """The data of a document, and the line and written text of each place in it."""

    data: Any = None
    lines: dict[Place, int] = field(default_factory=dict)
    texts: dict[Place, str] = field(default_factory=dict)

    def line(self, place: Place) -> int:
        """The line of a place, or of the nearest one around it that is written."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


def parse(text: str) -> Document:
    """Read a document.

    Raises:
        DocumentError: it is no YAML, repeats a key or contains itself.
    """
    protected = REFERENCE.sub(lambda match: f"{OPENING}{match.group(1)}{CLOSING}", text)
    try:
        root = yaml.compose(protected, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise DocumentError(mark.line + 1 if mark else 1, f"is no YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise DocumentError(1, f"is no YAML: {error}") from None
    document = Document()
    if root is not None:
        document.data = _read(root, (), document, parents=())
    return document


def _read(node: yaml.Node, place: Place, document: Document, parents: tuple[int, ...]) -> Any:
    document.lines.setdefault(place, node.start_mark.line + 1)
    if id(node) in parents:
        raise DocumentError(node.start_mark.line + 1, "contains itself; remove the alias (*)")
    inner = (*parents, id(node))
    if isinstance(node, yaml.SequenceNode):
        return [
            _read(item, (*place, position), document, inner)
            for position, item in enumerate(node.value)
        ]
    if isinstance(node, yaml.MappingNode):
        return _read_mapping(node, place, document, inner)
    document.texts[place] = _restore(node.value)
    return _SCALARS.get(node.tag, _restore)(node.value)


def _read_mapping(
    node: yaml.MappingNode, place: Place, document: Document, parents: tuple[int, ...]
) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise DocumentError(line, "has a list or mapping for a key; write a name")
        key = _restore(key_node.value)
        if key in data:
            raise DocumentError(line, f"repeats the key {key}; remove one of the two")
        document.lines[(*place, key)] = line
        data[key] = _read(value_node, (*place, key), document, parents)
    return data


def _restore(text: str) -> str:
    return PROTECTED.sub(lambda match: f"${{{match.group(1)}}}", text)
