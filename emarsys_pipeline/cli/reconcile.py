"""``emarsys-pipeline opt-in reconcile``: compare Emarsys with the ledger, and repair."""

import uuid
from dataclasses import asdict
from typing import Annotated

import typer

from emarsys_pipeline.cli.accounts import AT_A_TERMINAL, Account
from emarsys_pipeline.cli.answers import tell_json, tell_table
from emarsys_pipeline.cli.options import AsJson, Config
from emarsys_pipeline.cli.terminal import bars, console
from emarsys_pipeline.clock import utc_now
from emarsys_pipeline.connect import connect
from emarsys_pipeline.settings import load_settings
from emarsys_pipeline.stages.opt_in_drift import Reconciled, reconcile_account
from emarsys_pipeline.storage import open_warehouse, rate_limits

_COLUMNS = ("contacts", "drifted", "repairs", "open_deliveries", "missing", "requests")


def reconcile(
    *,
    sample: Annotated[
        int | None,
        typer.Option(min=1, help="Contacts per account: those that were read longest ago."),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="All contacts.")] = False,
    account: Account = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Read opt-in fields back from Emarsys, and repair those that differ from the ledger.

    Every difference is a row of the view opt_in_drift and a delta with the reason `reconciled`,
    which the opt-in sensor carries to Emarsys within a minute. A contact whose value is on its way
    is no difference. One request reads a thousand contacts, within the account's rate limit.

    Example: **emarsys-pipeline opt-in reconcile --full**
    """
    if full and sample is not None:
        raise typer.BadParameter("give either --sample or --full")
    settings = load_settings(config)
    how_many = None if full else sample or settings.reconciliation.sample or None
    warehouse = open_warehouse(settings)
    warehouse.prepare()
    chosen = settings.accounts if account is None else [settings.account(account)]
    found: dict[str, Reconciled] = {}
    with bars() as progress:
        for each in chosen:
            if each.opt_in is None:
                continue
            with connect(each, rate_limit=rate_limits(settings), retries=AT_A_TERMINAL) as client:
                found[each.name] = reconcile_account(
                    warehouse,
                    client,
                    each,
                    window=settings.windows.grid.at(utc_now()),
                    sample=how_many,
                    run_id=f"command-{uuid.uuid4()}",
                    progress=progress,
                )
    warehouse.publish_pending(at_once=True)
    if as_json:
        tell_json({name: asdict(each) for name, each in found.items()})
        return
    tell_table(
        "Read back from Emarsys",
        ("account", *_COLUMNS),
        [(name, *(getattr(each, key) for key in _COLUMNS)) for name, each in found.items()],
    )
    if any(each.repairs for each in found.values()):
        console.print("the next look of the opt-in sensor sends the repairs")
