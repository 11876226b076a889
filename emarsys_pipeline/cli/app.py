"""The command's root: which commands there are, and how a failure is told."""

import sys

import typer
from rich.console import Console

from emarsys_pipeline.cli import sandbox
from emarsys_pipeline.emarsys.errors import EmarsysError
from emarsys_pipeline.settings import SettingsError

app = typer.Typer(
    name="emarsys-pipeline",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help=(
        "Keeps SAP Emarsys and a conversational-messaging contact store in step.\n\n"
        "Start with **emarsys-pipeline demo**: it needs no Emarsys account."
    ),
    epilog="Exit codes: 0 done, 1 failed (the last line says what to do), 2 wrong usage.",
)
app.add_typer(sandbox.app, name="sandbox")


def main() -> None:
    """Run the command; a failure that we know becomes one message and exit code 1."""
    try:
        app()
    except (SettingsError, EmarsysError) as error:
        Console(stderr=True, highlight=False).print(f"[red]error:[/red] {error}", soft_wrap=True)
        sys.exit(1)
