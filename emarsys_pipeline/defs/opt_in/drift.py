"""opt_in_drift: what Emarsys holds compared with the ledger, on schedule and on demand."""

from collections.abc import Iterator

import dagster as dg
from pydantic import Field

from emarsys_pipeline.clock import utc_now
from emarsys_pipeline.defs.failures import failure
from emarsys_pipeline.defs.labels import OWNERS
from emarsys_pipeline.defs.partitions import Partitions
from emarsys_pipeline.defs.progress import log_progress
from emarsys_pipeline.defs.resources import EmarsysAccounts, WarehouseResource
from emarsys_pipeline.defs.row_counts import table_rows
from emarsys_pipeline.defs.summaries import Metadata, markdown, table
from emarsys_pipeline.defs.table_schemas import table_metadata
from emarsys_pipeline.settings import Settings
from emarsys_pipeline.stages.opt_in_drift import Reconciled, reconcile_account

NO_DRIFT = "emarsys_shows_the_ledger"

OPT_IN_RECONCILIATION = dg.define_asset_job(
    "opt_in_reconciliation",
    selection=dg.AssetSelection.assets("opt_in_drift", "opt_in_pushes"),
    owners=OWNERS,
    description=(
        "Reads opt-in fields back from Emarsys, notes where they differ from the ledger, and "
        "writes the right values again. Reads a sample, or all contacts with sample: 0."
    ),
)


class ReconciliationConfig(dg.Config):
    """How much of each account to read."""

    sample: int | None = Field(
        default=None,
        ge=0,
        description="Contacts per account, those read longest ago; 0 reads all; else the settings",
    )


def build_drift_asset(settings: Settings, partitions: Partitions) -> dg.AssetsDefinition:
    """The asset; unpartitioned, since Emarsys shows only the present."""

    @dg.asset(
        deps=["consent_events", "stitched_identities"],
        check_specs=[
            dg.AssetCheckSpec(
                NO_DRIFT,
                asset="opt_in_drift",
                description=(
                    "At most 1 of 1,000 contacts that were read back shows another value than its "
                    "person decided. Fails, as a warning, when somebody or something else writes "
                    "the opt-in field; the values are repaired all the same."
                ),
            )
        ],
        group_name="opt_in",
        kinds={"emarsys", "duckdb"},
        tags={"layer": "outbox", "personal_data": "false"},
        metadata=table_metadata("opt_in_drift"),
    )
    def opt_in_drift(
        context: dg.AssetExecutionContext,
        config: ReconciliationConfig,
        warehouse: WarehouseResource,
        emarsys: EmarsysAccounts,
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        """One row per contact whose opt-in field, read back, differed from the ledger.

        Contacts whose value is still on its way, or was refused, do not count. Each difference
        becomes an opt-in delta with the reason `reconciled`, which the outbox writes. Materializing
        it again reads again.
        """
        sample = settings.reconciliation.sample if config.sample is None else config.sample
        store = warehouse.open()
        found: dict[str, Reconciled] = {}
        errors: dict[str, Exception] = {}
        for account in settings.accounts:
            if account.opt_in is None:
                continue
            try:
                with emarsys.client(account.name) as client:
                    found[account.name] = reconcile_account(
                        store,
                        client,
                        account,
                        window=partitions.grid.at(utc_now()),
                        sample=sample or None,
                        run_id=context.run.run_id,
                        progress=log_progress(context.log),
                    )
            except Exception as error:  # noqa: BLE001 one account must not hold up the others
                errors[account.name] = error
        if errors:
            raise failure(
                errors,
                what="could not be read back",
                then="What was read until then is kept; materialize opt_in_drift again",
                metadata=_metadata(found),
            )
        yield dg.MaterializeResult(
            metadata={**_metadata(found), **table_rows(store, "opt_in_drift")}
        )
        yield _check(found)

    return opt_in_drift


def build_reconciliation_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """The schedule that reconciles a sample; its cron expression is in the settings."""
    return dg.ScheduleDefinition(
        name="opt_in_reconciliation_schedule",
        job=OPT_IN_RECONCILIATION,
        cron_schedule=settings.reconciliation.cron,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        owners=OWNERS,
        description=(
            "Reads opt-in fields back from Emarsys and repairs those that differ from the ledger. "
            "How many, and when, is in the settings under reconciliation."
        ),
    )


_COLUMNS = ("contacts", "drifted", "repairs", "open_deliveries", "missing", "requests")


def _metadata(found: dict[str, Reconciled]) -> Metadata:
    totals = {name: sum(getattr(each, name) for each in found.values()) for name in _COLUMNS}
    rows = [
        [account, *(getattr(each, name) for name in _COLUMNS)]
        for account, each in sorted(found.items())
    ]
    if not totals["contacts"]:
        headline = "Nothing to do: no account has a contact whose opt-in field is to be read."
    elif totals["drifted"]:
        headline = (
            f"{totals['drifted']:,} of {totals['contacts']:,} contacts showed another value than "
            "their person decided; they are repaired through the outbox."
        )
    else:
        headline = (
            f"All {totals['contacts']:,} contacts that were read show what their person decided, "
            "or will when their delivery ends."
        )
    return {
        "summary": markdown(headline, table(["account", *_COLUMNS], rows) if rows else ""),
        **totals,
    }


def _check(found: dict[str, Reconciled]) -> dg.AssetCheckResult:
    contacts = sum(each.contacts for each in found.values())
    drifted = sum(each.drifted for each in found.values())
    return dg.AssetCheckResult(
        check_name=NO_DRIFT,
        passed=drifted * 1000 <= contacts,
        severity=dg.AssetCheckSeverity.WARN,
        description=(
            "Find out who else writes the opt-in field: an import in Emarsys, a form, another "
            "integration."
            if drifted
            else None
        ),
        metadata={"contacts": contacts, "drifted": drifted},
    )
