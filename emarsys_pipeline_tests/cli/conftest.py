"""Lets typer be imported where warnings are errors: it takes names that click has deprecated."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import typer  # noqa: F401 - the import is what may warn, once a process
