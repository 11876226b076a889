"""``docs/configuration.md``, from the settings model."""

import types
import typing
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from emarsys_pipeline.settings import SecretReference, Settings

SET_BY_THE_PROGRAM = {"path"}
BOUNDS = {Ge: ("at least", "ge"), Gt: ("above", "gt"), Le: ("at most", "le"), Lt: ("below", "lt")}
HEADING = """# Configuration

Every key of `emarsys_pipeline.yaml`, as the pipeline validates it. `emarsys-pipeline init` writes a
commented file with all of them. The file is found by `--config`, else by the variable
`EMARSYS_PIPELINE_CONFIG`, else as `emarsys_pipeline.yaml` in the current folder. A wrong key or
value stops the start with its line and the remedy.

A secret never stands in the file: write `${NAME}`, and export `NAME` where the program runs.
A key without a default must be written.
"""


def configuration_page() -> str:
    """The whole page."""
    sections = [_section(path, model) for path, model in _models("", Settings)]
    return "\n".join([HEADING, *sections])


def _models(path: str, model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    yield path, model
    for name, field in model.model_fields.items():
        if name in SET_BY_THE_PROGRAM:
            continue
        key = field.alias or name
        kinds = [kind for kind in _flat(field.annotation) if _is_model(kind)]
        is_list = get_origin(field.annotation) is tuple
        for kind in kinds:
            place = f"{path}.{key}" if path else key
            place += "[]" if is_list else ""
            place += f" ({_kind_of(kind)})" if len(kinds) > 1 else ""
            yield from _models(place, kind)


def _kind_of(model: type[BaseModel]) -> str:
    """The value of the key that tells the kinds of one key apart."""
    for name, field in model.model_fields.items():
        if get_origin(field.annotation) is Literal and field.is_required():
            return f"{name}: {get_args(field.annotation)[0]}"
    raise ValueError(f"{model} has no key that names its kind")


def _section(path: str, model: type[BaseModel]) -> str:
    about = (model.__doc__ or "").strip().splitlines()[0].replace("``", "`")
    rows = [
        f"| `{field.alias or name}` | {_default(field)} | {_meaning(field)} |"
        for name, field in model.model_fields.items()
        if name not in SET_BY_THE_PROGRAM
    ]
    title = f"`{path}`" if path else "The file"
    table = "\n".join(["| key | default | meaning |", "| --- | --- | --- |", *rows])
    return f"## {title}\n\n{about}\n\n{table}\n"


def _meaning(field: FieldInfo) -> str:
    parts = [(field.description or "").replace("|", "\\|")]
    for bound in field.metadata:
        if type(bound) in BOUNDS:
            words, attribute = BOUNDS[type(bound)]
            parts.append(f"{words} {getattr(bound, attribute)}")
        elif isinstance(bound, MinLen) and get_origin(field.annotation) is tuple:
            parts.append(f"at least {bound.min_length}")
        elif isinstance(bound, MaxLen):
            parts.append(f"at most {bound.max_length}")
    return "; ".join(parts)


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is PydanticUndefined:
        return "**required**"
    if isinstance(value, BaseModel):
        return "see below"
    if value is None:
        return "none"
    if value == ():
        return "`[]`"
    if value == {}:
        return "`{}`"
    if value == "":
        return "empty"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _flat(annotation: Any) -> Iterator[Any]:
    """The types that an annotation is made of."""
    if get_origin(annotation) in {tuple, typing.Union, types.UnionType, typing.Annotated, dict}:
        for argument in get_args(annotation):
            yield from _flat(argument)
    else:
        yield annotation


def _is_model(kind: Any) -> bool:
    is_class = isinstance(kind, type) and kind is not SecretReference
    return is_class and issubclass(kind, BaseModel)
