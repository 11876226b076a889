"""Opt-in deltas: which Emarsys contacts must show another consent value."""

from emarsys_pipeline.stages.opt_in_deltas.derive import (
    OptInDeltasDerived,
    OptInFieldError,
    add_opt_in_deltas,
    derive_opt_in_deltas,
    find_field,
    opt_in_targets,
)

__all__ = [
    "OptInDeltasDerived",
    "OptInFieldError",
    "add_opt_in_deltas",
    "derive_opt_in_deltas",
    "find_field",
    "opt_in_targets",
]
