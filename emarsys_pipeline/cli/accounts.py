"""The account that a command works on: the options that choose it, and its client."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated

import typer

from emarsys_pipeline.cli.terminal import working
from emarsys_pipeline.connect import connect
from emarsys_pipeline.emarsys import EmarsysClient, RetrySettings
from emarsys_pipeline.settings import AccountSettings, load_settings
from emarsys_pipeline.storage import rate_limits

# Whoever waits at a terminal learns soon that a server does not answer.
AT_A_TERMINAL = RetrySettings(total_seconds=20.0, evaluation_seconds=600.0)

Account = Annotated[
    str | None,
    typer.Option(
        "--account",
        metavar="NAME",
        help="Account of the settings; may be left out when there is only one.",
        show_default=False,
    ),
]
Language = Annotated[
    str | None,
    typer.Option(
        "--language",
        metavar="CODE",
        help="Of names and labels, for example `en` or `de`; the account's own when left out.",
        show_default=False,
    ),
]


@contextmanager
def account_client(
    config: Path | None, name: str | None, *, is_quiet: bool = False
) -> Iterator[tuple[EmarsysClient, AccountSettings]]:
    """A client of the chosen account, and its settings.

    Args:
        config: the settings file.
        name: the account, None for the only one.
        is_quiet: the caller shows its own progress.
    """
    settings = load_settings(config)
    account = settings.chosen_account(name)
    shown = nullcontext() if is_quiet else working(f"asking the account {account.name}")
    with (
        shown,
        connect(account, rate_limit=rate_limits(settings), retries=AT_A_TERMINAL) as client,
    ):
        yield client, account
