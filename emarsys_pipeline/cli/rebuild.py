"""``emarsys-pipeline rebuild``: the current tables anew, from the raw rows that are kept."""

import uuid
from typing import Annotated

import typer

from emarsys_pipeline.cli.answers import tell_json, tell_line, tell_table
from emarsys_pipeline.cli.options import AsJson, Config
from emarsys_pipeline.cli.terminal import bars
from emarsys_pipeline.settings import load_settings
from emarsys_pipeline.stages.mapped_contacts import AccountRebuilt, rebuild_account
from emarsys_pipeline.storage import open_warehouse
from emarsys_pipeline.windows import KEY_FORMAT

Account = Annotated[
    str | None,
    typer.Option("--account", metavar="NAME", help="Only this account of the settings."),
]
RESTITCH = (
    "Contacts differ from before: let them be stitched by materializing stitched_identities of the "
    "newest window in the Dagster UI."
)


def rebuild(*, account: Account = None, config: Config = None, as_json: AsJson = False) -> None:
    """Make mapped and current contacts anew from the raw rows that are kept.

    Asks Emarsys nothing. With the settings as they were, every row comes out as it was; after a
    change of the mapping, the kept windows are mapped as the settings say now. Windows whose raw
    rows were removed (*imports.keep_raw_windows*) stay as they were mapped, so contacts keep
    when they were first seen, and people their identities.

    Each account is one transaction: interrupted, it has changed nothing, and everything else that
    writes waits meanwhile.

    Example: **emarsys-pipeline rebuild --account shop_de**
    """
    settings = load_settings(config)
    accounts = settings.accounts if account is None else (settings.account(account),)
    warehouse = open_warehouse(settings)
    warehouse.prepare()
    run_id = str(uuid.uuid4())
    with bars() as progress:
        rebuilt = [
            rebuild_account(
                warehouse,
                each,
                property_types=settings.property_types,
                run_id=run_id,
                progress=progress,
            )
            for each in accounts
        ]
        warehouse.publish_pending(at_once=True)
    if as_json:
        tell_json([_as_dict(each) for each in rebuilt])
        return
    tell_table(
        "mapped again from raw rows",
        ["account", "from window", "partitions", "raw rows", "current contacts", "differ"],
        [list(_as_dict(each).values()) for each in rebuilt],
    )
    if any(each.differing for each in rebuilt):
        tell_line(RESTITCH)


def _as_dict(rebuilt: AccountRebuilt) -> dict[str, object]:
    first = rebuilt.first_window
    return {
        "account": rebuilt.account,
        "from_window": None if first is None else f"{first:{KEY_FORMAT}}",
        "partitions": rebuilt.partitions,
        "raw_rows": rebuilt.rows_read,
        "current_contacts": rebuilt.contacts,
        "differing": rebuilt.differing,
    }
