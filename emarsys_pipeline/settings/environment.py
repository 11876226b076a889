"""The environment that this process hands to others."""

import os
from collections.abc import Mapping


def child_environment(more: Mapping[str, str]) -> dict[str, str]:
    """The environment for a child process: ours, with these variables added.

    PYTHONDONTWRITEBYTECODE is left out: a child that starts many Python processes would compile
    the same libraries in each of them, which takes several times as long as its work.
    """
    ours = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**ours, **more}


def provide(variables: Mapping[str, str]) -> None:
    """Set variables for this process, for credentials that are no secret: the sandbox's."""
    os.environ.update(variables)
