"""Puts the way to the runbook into the description of every check."""

from typing import Any, TypeVar

import dagster as dg

from emarsys_pipeline.runbook import check_section

Defined = TypeVar("Defined")


def with_runbook(definition: Defined) -> Defined:
    """The same definition, with the runbook's section in the description of each of its checks."""
    if not isinstance(definition, dg.AssetsDefinition):
        return definition
    specs = definition.node_check_specs_by_output_name
    if not specs:
        return definition
    attributes: dict[str, Any] = {
        **definition.get_attributes_dict(),
        "check_specs_by_output_name": {
            name: spec._replace(
                description=f"{spec.description or ''} Runbook: {check_section(spec.name)}".strip()
            )
            for name, spec in specs.items()
        },
    }
    return type(definition)(**attributes)
