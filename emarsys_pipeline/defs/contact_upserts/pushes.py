"""contact_upsert_pushes: the outbox to the messaging platform; there only with messaging.http."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
from pydantic import Field

from emarsys_pipeline.defs.contact_upserts.checks import push_check, push_check_spec
from emarsys_pipeline.defs.failures import failure
from emarsys_pipeline.defs.progress import log_progress
from emarsys_pipeline.defs.resources import MessagingResource, WarehouseResource
from emarsys_pipeline.defs.row_counts import table_rows
from emarsys_pipeline.defs.summaries import Metadata, counts, markdown
from emarsys_pipeline.defs.table_schemas import table_metadata
from emarsys_pipeline.messaging import MessagingError
from emarsys_pipeline.settings import MessagingHttpSettings, Settings
from emarsys_pipeline.stages.contact_upsert_pushes import (
    ContactUpsertsPushed,
    make_refresh,
    push_contact_upserts,
    revive_dead_letters,
)

_OUTCOMES = ("accepted", "rejected", "retrying", "unsent", "unknown", "superseded")


class PushConfig(dg.Config):
    """What a person may ask of one run."""

    revive_dead_letters: bool = Field(
        default=False,
        description="Send again what the platform refused for good; once the cause is gone",
    )


def build_upsert_push_asset(settings: Settings, http: MessagingHttpSettings) -> dg.AssetsDefinition:
    """The asset; unpartitioned, since an outbox is drained whichever window filled it."""

    @dg.asset(
        deps=["contact_upserts"],
        check_specs=[push_check_spec()],
        group_name="messaging_platform",
        kinds={"duckdb", "sql"},
        tags={"layer": "outbox", "personal_data": "false"},
        metadata=table_metadata("contact_upsert_pushes"),
    )
    def contact_upsert_pushes(
        context: dg.AssetExecutionContext,
        config: PushConfig,
        warehouse: WarehouseResource,
        messaging: MessagingResource,
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        """One row per attempt to tell the messaging platform of one person.

        The intent is written before the request and the outcome after it. A request without an
        answer is settled by sending the person's newest content again; a refusal that may pass is
        tried again with growing waits; one that will not is a dead letter. Materializing it again
        sends only what is due. Set `revive_dead_letters` to send those again, too.
        """
        store = warehouse.open()
        if config.revive_dead_letters:
            revived = revive_dead_letters(store, datetime.now(UTC))
            context.log.info("made %d dead letters due again", revived)
        try:
            with messaging.client() as client:
                pushed = push_contact_upserts(
                    store,
                    client,
                    http,
                    identifying=_identifying(settings),
                    run_id=context.run.run_id,
                    refresh=make_refresh(
                        accounts=settings.accounts,
                        properties=settings.property_types,
                        run_id=context.run.run_id,
                    ),
                    progress=log_progress(context.log),
                )
        except MessagingError as error:
            raise failure(
                {"the messaging platform": error},
                what="took no contacts",
                then="The outbox keeps the rest, and the sensor contact_upserts tries again",
            ) from error
        yield dg.MaterializeResult(
            metadata={**_metadata(pushed), **table_rows(store, "contact_upsert_pushes")}
        )
        yield push_check(store)

    return contact_upsert_pushes


def _identifying(settings: Settings) -> list[str]:
    """Properties that are numbers and addresses, which travel normalised and under other keys."""
    return sorted(
        {
            mapping.property
            for account in settings.accounts
            for mapping in account.fields
            if mapping.identifier is not None
        }
    )


def _metadata(pushed: ContactUpsertsPushed) -> Metadata:
    totals = {name: int(getattr(pushed, name)) for name in _OUTCOMES}
    headline = (
        "Persons told to the messaging platform:"
        if any(totals.values())
        else "Nothing to do: the messaging platform knows every golden record."
    )
    return {
        "summary": markdown(headline, counts(totals) if any(totals.values()) else ""),
        **totals,
    }
