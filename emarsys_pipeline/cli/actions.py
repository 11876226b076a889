"""The actions on one account: contacts, fields, choices and external events."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from emarsys_pipeline.cli.accounts import Account, Language, account_client
from emarsys_pipeline.cli.answers import tell_json, tell_line, tell_table
from emarsys_pipeline.cli.options import AsJson, Config
from emarsys_pipeline.emarsys import Choice, actions

contact_app = typer.Typer(no_args_is_help=True, help="Reads and updates one contact.")
fields_app = typer.Typer(no_args_is_help=True, help="Lists the fields of an account.")
choices_app = typer.Typer(no_args_is_help=True, help="Lists the choices of a field.")
event_app = typer.Typer(no_args_is_help=True, help="Triggers external events.")

KeyArgument = Annotated[
    str, typer.Argument(metavar="KEY", help="Value of the key field that names the contact.")
]
KeyFieldOption = Annotated[
    str,
    typer.Option(
        "--key-field",
        metavar="FIELD",
        help="Field that KEY is a value of: its id, string id or name; `id` for the contact id.",
    ),
]
FieldsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--field",
        metavar="FIELD",
        help="Field to read, by id, string id or name; may be repeated. All when left out.",
        show_default=False,
    ),
]
CreateOption = Annotated[
    bool,
    typer.Option("--create/--no-create", help="Whether a contact that does not exist is created."),
]
FieldArgument = Annotated[
    str, typer.Argument(metavar="FIELD", help="The field's id, string id or name.")
]


@contact_app.command(
    "get",
    epilog=(
        "Example: `emarsys-pipeline contact get mina@example.org --field first_name --field 37`"
    ),
)
def get(
    *,
    key: KeyArgument,
    key_field: KeyFieldOption = "email",
    fields: FieldsOption = None,
    account: Account = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show values of one contact; choice fields show the ids of their choices.

    The table leaves empty fields out when no --field is given; the JSON holds them all.
    """
    with account_client(config, account) as (client, chosen):
        found = actions.get_contact(
            client, key_field=key_field, key=key, fields=fields or (), language=chosen.language
        )
    _tell_contact(found, as_json=as_json, leave_out_empty=not fields)


@contact_app.command(
    "get-labels",
    epilog=(
        "Example: `emarsys-pipeline contact get-labels mina@example.org --field salutation "
        "--language de`"
    ),
)
def get_labels(
    *,
    key: KeyArgument,
    key_field: KeyFieldOption = "email",
    fields: FieldsOption = None,
    language: Language = None,
    account: Account = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show values of one contact; choice fields show labels instead of ids."""
    with account_client(config, account) as (client, chosen):
        found = actions.get_contact_with_labels(
            client,
            key_field=key_field,
            key=key,
            fields=fields or (),
            language=language or chosen.language,
        )
    _tell_contact(found, as_json=as_json, leave_out_empty=not fields)


@contact_app.command(
    "update",
    epilog=(
        "Example: `emarsys-pipeline contact update mina@example.org --set first_name=Mina "
        "--set fav_colours=Red,Blue --set city= --no-create`"
    ),
)
def update(
    *,
    key: KeyArgument,
    values: Annotated[
        list[str],
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            help=(
                "Field and its new value; may be repeated. Choices by id or label, several "
                "separated by commas. Nothing after the sign clears the field."
            ),
        ),
    ],
    key_field: KeyFieldOption = "email",
    create: CreateOption = True,
    language: Language = None,
    account: Account = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Write fields of one contact; those that are not named stay as they are."""
    new_values = dict(_assignment(item) for item in values)
    with account_client(config, account) as (client, chosen):
        written = actions.update_contact(
            client,
            key_field=key_field,
            key=key,
            values=new_values,
            create=create,
            language=language or chosen.language,
        )
    if as_json:
        tell_json({"contact_id": written.contact_id, "field_ids": list(written.field_ids)})
    else:
        tell_line(f"contact {written.contact_id}: wrote field {', '.join(written.field_ids)}")


@fields_app.command("list", epilog="Example: `emarsys-pipeline fields list --language de`")
def list_fields(
    *,
    language: Language = None,
    account: Account = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List all fields: what may be mapped, read and updated."""
    with account_client(config, account) as (client, chosen):
        fields = actions.list_fields(client, language=language or chosen.language)
    if as_json:
        names = ("id", "string_id", "name", "application_type")
        tell_json([{name: getattr(field, name) for name in names} for field in fields])
    else:
        tell_table(
            f"{len(fields)} fields of {chosen.name}",
            ["id", "string id", "name", "type"],
            [[field.id, field.string_id, field.name, field.application_type] for field in fields],
        )


@choices_app.command(
    "single", epilog="Example: `emarsys-pipeline choices single salutation --language de`"
)
def list_single(
    *,
    field: FieldArgument,
    language: Language = None,
    account: Account = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List the choices of a single choice field."""
    _list_choices(actions.list_single_choices, field, language, account, config, as_json=as_json)


@choices_app.command("multi", epilog="Example: `emarsys-pipeline choices multi fav_colours`")
def list_multi(
    *,
    field: FieldArgument,
    language: Language = None,
    account: Account = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List the choices of a multi choice field."""
    _list_choices(actions.list_multi_choices, field, language, account, config, as_json=as_json)


@event_app.command(
    "trigger",
    epilog=(
        "Example: `emarsys-pipeline event trigger 123 mina@example.org --data "
        '\'{"order": "A-1"}\' --trigger-id order-A-1`'
    ),
)
def trigger(
    *,
    event: Annotated[str, typer.Argument(metavar="EVENT", help="The event's id or name.")],
    key: KeyArgument,
    key_field: KeyFieldOption = "email",
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="JSON", help="Object that the event's e-mail may use."),
    ] = None,
    trigger_id: Annotated[
        str | None,
        typer.Option(
            "--trigger-id",
            metavar="TEXT",
            help="Emarsys takes an event with the same one once, so repeating is harmless.",
        ),
    ] = None,
    account: Account = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Trigger an external event for one contact."""
    document = None if data is None else _object(data)
    with account_client(config, account) as (client, _):
        event_id = actions.trigger_event(
            client, event=event, key_field=key_field, key=key, data=document, trigger_id=trigger_id
        )
    if as_json:
        tell_json({"event_id": event_id, "trigger_id": trigger_id})
    else:
        tell_line(f"event {event_id}: triggered")


def _tell_contact(contact: actions.ContactRead, *, as_json: bool, leave_out_empty: bool) -> None:
    if as_json:
        tell_json(contact.as_dict())
        return
    told = [item for item in contact.values if item.value or not leave_out_empty]
    tell_table(
        f"contact {contact.contact_id}",
        ["id", "string id", "name", "value"],
        [[item.field_id, item.string_id, item.name, item.value] for item in told],
    )


def _list_choices(
    look: Callable[..., list[Choice]],
    field: str,
    language: str | None,
    account: str | None,
    config: Path | None,
    *,
    as_json: bool,
) -> None:
    with account_client(config, account) as (client, chosen):
        choices = look(client, field=field, language=language or chosen.language)
    if as_json:
        tell_json([{"id": choice.id, "label": choice.label} for choice in choices])
    else:
        tell_table(
            f"{len(choices)} choices of {field}",
            ["id", "label"],
            [[choice.id, choice.label] for choice in choices],
        )


def _assignment(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name.strip():
        raise typer.BadParameter("write FIELD=VALUE, for example city=Berlin", param_hint="--set")
    return name, value


def _object(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"is no JSON: {error}", param_hint="--data") from None
    if not isinstance(document, dict):
        raise typer.BadParameter('is no object; write {"name": "value"}', param_hint="--data")
    return document
