"""One job for each action; its run shows the answer as metadata of its only step.

The configuration and the answer of an action on a contact are personal data: they stay in Dagster's
record of the run until the run is deleted, and never go to a log.
"""

from collections.abc import Callable
from typing import TypeVar

import dagster as dg

from emarsys_pipeline.defs.actions import answers
from emarsys_pipeline.defs.actions.config import (
    AccountConfig,
    ContactConfig,
    FieldConfig,
    ReadContactConfig,
    TriggerEventConfig,
    UpdateContactConfig,
)
from emarsys_pipeline.defs.labels import OWNERS
from emarsys_pipeline.defs.resources import EmarsysAccounts
from emarsys_pipeline.defs.summaries import Metadata
from emarsys_pipeline.emarsys import EmarsysClient, actions
from emarsys_pipeline.emarsys.errors import EmarsysError
from emarsys_pipeline.settings import Settings, SettingsError

KEPT = " The answer stays in the record of the run; delete the run to remove it."

Config = TypeVar("Config", bound=AccountConfig)
# What is done with a client, the configuration, and the language to use.
Act = Callable[[EmarsysClient, Config, str], Metadata]


def build_action_jobs(settings: Settings) -> list[dg.JobDefinition]:
    """The seven jobs, for the accounts of these settings."""
    return [
        _job(
            settings,
            "get_contact",
            "Reads values of one contact; choice fields show the ids of their choices." + KEPT,
            ReadContactConfig,
            _get_contact,
        ),
        _job(
            settings,
            "get_contact_with_labels",
            "Reads values of one contact; choice fields show labels instead of ids." + KEPT,
            ReadContactConfig,
            _get_contact_with_labels,
        ),
        _job(
            settings,
            "update_contact",
            "Writes fields of one contact; creates it if it does not exist, unless told not to.",
            UpdateContactConfig,
            _update_contact,
        ),
        _job(
            settings,
            "list_fields",
            "Lists all fields of an account: what may be mapped, read and updated.",
            AccountConfig,
            _list_fields,
        ),
        _job(
            settings,
            "list_single_choices",
            "Lists the choices of a single choice field.",
            FieldConfig,
            _list_single_choices,
        ),
        _job(
            settings,
            "list_multi_choices",
            "Lists the choices of a multi choice field.",
            FieldConfig,
            _list_multi_choices,
        ),
        _job(
            settings,
            "trigger_event",
            "Triggers an external event for one contact.",
            TriggerEventConfig,
            _trigger_event,
        ),
    ]


def _job(
    settings: Settings,
    name: str,
    description: str,
    config_type: type[Config],
    act: Act[Config],
) -> dg.JobDefinition:
    @dg.op(
        name=f"{name}_action",  # a job and its step may not have the same name
        description=description,
        config_schema=config_type.to_config_schema().as_field(),
        required_resource_keys={"emarsys"},
        out=dg.Out(dg.Nothing),
    )
    def action(context: dg.OpExecutionContext) -> None:
        config = config_type(**context.op_config)
        emarsys: EmarsysAccounts = context.resources.emarsys
        try:
            account = settings.chosen_account(config.account)
            with emarsys.client(account.name) as client:
                answer = act(client, config, config.language or account.language)
        except (EmarsysError, SettingsError) as error:
            # not chained and not retried: the message says all, and a person waits for it
            raise dg.Failure(str(error), allow_retries=False) from None
        context.add_output_metadata(answer)

    @dg.job(
        name=name,
        owners=OWNERS,
        description=description,
        tags={"personal_data": str(issubclass(config_type, ContactConfig)).lower()},
    )
    def job() -> None:
        action()

    return job


def _get_contact(client: EmarsysClient, config: ReadContactConfig, language: str) -> Metadata:
    return answers.contact_read(
        actions.get_contact(
            client,
            key_field=config.key_field,
            key=config.key,
            fields=config.fields,
            language=language,
        )
    )


def _get_contact_with_labels(
    client: EmarsysClient, config: ReadContactConfig, language: str
) -> Metadata:
    return answers.contact_read(
        actions.get_contact_with_labels(
            client,
            key_field=config.key_field,
            key=config.key,
            fields=config.fields,
            language=language,
        )
    )


def _update_contact(client: EmarsysClient, config: UpdateContactConfig, language: str) -> Metadata:
    return answers.contact_written(
        actions.update_contact(
            client,
            key_field=config.key_field,
            key=config.key,
            values=config.values,
            create=config.create,
            language=language,
        )
    )


def _list_fields(client: EmarsysClient, config: AccountConfig, language: str) -> Metadata:  # noqa: ARG001 the account is chosen before
    return answers.fields(actions.list_fields(client, language=language))


def _list_single_choices(client: EmarsysClient, config: FieldConfig, language: str) -> Metadata:
    return answers.choices(
        actions.list_single_choices(client, field=config.field, language=language)
    )


def _list_multi_choices(client: EmarsysClient, config: FieldConfig, language: str) -> Metadata:
    return answers.choices(
        actions.list_multi_choices(client, field=config.field, language=language)
    )


def _trigger_event(client: EmarsysClient, config: TriggerEventConfig, language: str) -> Metadata:
    event_id = actions.trigger_event(
        client,
        event=config.event,
        key_field=config.key_field,
        key=config.key,
        data=config.data,
        trigger_id=config.trigger_id,
        language=language,
    )
    return {"event_id": event_id, "trigger_id": config.trigger_id or ""}
