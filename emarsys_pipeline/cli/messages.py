"""Commands at the inbox's door: the webhook service, files, single decisions."""

from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from emarsys_pipeline.cli import dead_letters, reconcile
from emarsys_pipeline.cli.answers import tell_json
from emarsys_pipeline.cli.options import AsJson, Config
from emarsys_pipeline.cli.terminal import bars, console, errors
from emarsys_pipeline.inbox import MessageError, load_file, parse_message
from emarsys_pipeline.inbox.receiver import ReceiverSettings, create_app
from emarsys_pipeline.inbox.signatures import Verifier
from emarsys_pipeline.settings import SecretReference, WebhookSettings, load_settings
from emarsys_pipeline.storage import open_inbox

inbox_app = typer.Typer(no_args_is_help=True, help="Bring messages into the inbox from files.")
opt_in_app = typer.Typer(
    no_args_is_help=True,
    help="Record a person's decision, and see to values that Emarsys refused.",
)
opt_in_app.command("dead-letters")(dead_letters.list_dead_letters)
opt_in_app.command("replay")(dead_letters.replay)


class FileKind(StrEnum):
    """What the rows of a file are."""

    CONSENT = "consent"
    CONTACT = "contact"


def webhooks(*, config: Config = None) -> None:
    """Serve the webhook endpoints until Ctrl-C; host, port and secrets are in the settings.

    POST /webhooks/platform/consent, /webhooks/platform/contacts and /webhooks/emarsys/ACCOUNT;
    GET /healthz and /metrics. An endpoint without a secret refuses every call.

    Example: **emarsys-pipeline webhooks --config shop.yaml**
    """
    import uvicorn

    settings = load_settings(config)
    accounts = frozenset(account.name for account in settings.accounts)
    with open_inbox(settings) as inbox:
        uvicorn.run(
            create_app(inbox, _receiver_settings(settings.webhooks, accounts)),
            host=settings.webhooks.host,
            port=settings.webhooks.port,
            access_log=False,
        )


def _receiver_settings(webhooks: WebhookSettings, accounts: frozenset[str]) -> ReceiverSettings:
    def revealed(reference: SecretReference | None) -> str | None:
        return None if reference is None else reference.reveal()

    platform = revealed(webhooks.platform_secret)
    emarsys = revealed(webhooks.emarsys_secret)
    return ReceiverSettings(
        platform=None
        if platform is None
        else Verifier(method=webhooks.platform_auth, secret=platform),
        emarsys=None if emarsys is None else Verifier(method=webhooks.emarsys_auth, secret=emarsys),
        accounts=accounts,
        legacy_secret=revealed(webhooks.emarsys_legacy_secret),
        max_body_bytes=webhooks.max_body_bytes,
        rate_per_second=webhooks.rate_per_second,
    )


@inbox_app.command("load")
def load(
    *,
    path: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="JSONL, CSV or Parquet.")
    ],
    kind: Annotated[FileKind, typer.Option(help="What the rows are.")] = FileKind.CONSENT,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Put a file of consent decisions or contacts into the inbox, as if they had been sent.

    Loading it again adds nothing. Rows that cannot be read are kept with their reason; then the
    exit code is 1.

    Example: **emarsys-pipeline inbox load decisions.csv --kind consent**
    """
    settings = load_settings(config)
    with open_inbox(settings) as inbox, bars() as progress:
        result = load_file(
            inbox, path, kind=kind.value, progress=lambda rows: progress("rows", rows, None)
        )
    if as_json:
        tell_json(asdict(result))
        raise typer.Exit(1 if result.rejected else 0)
    console.print(
        f"{result.read:,} rows: {result.accepted:,} new, {result.duplicates:,} known already, "
        f"{result.rejected:,} rejected"
    )
    for reject in result.rejects[:20]:
        errors.print(f"row {reject.row}: {reject.reason}", markup=False)
    if result.rejected:
        raise typer.Exit(1)


Phone = Annotated[str | None, typer.Option(help="Phone number, with country code.")]
Email = Annotated[str | None, typer.Option(help="E-mail address.")]
ContactId = Annotated[
    str | None, typer.Option("--contact", help="The messaging platform's contact id.")
]
Channel = Annotated[str, typer.Option(help="Messaging channel.")]


@opt_in_app.command("grant")
def grant(
    *,
    phone: Phone = None,
    email: Email = None,
    contact: ContactId = None,
    channel: Channel = "whatsapp",
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Record that a person gave consent now; the opt-in sensor carries it to Emarsys.

    Example: **emarsys-pipeline opt-in grant --phone +491700000001**
    """
    _decide("granted", phone, email, contact, channel, config, as_json=as_json)


@opt_in_app.command("withdraw")
def withdraw(
    *,
    phone: Phone = None,
    email: Email = None,
    contact: ContactId = None,
    channel: Channel = "whatsapp",
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Record that a person withdrew consent now; the opt-in sensor carries it to Emarsys.

    Example: **emarsys-pipeline opt-in withdraw --email person@example.org**
    """
    _decide("withdrawn", phone, email, contact, channel, config, as_json=as_json)


opt_in_app.command()(reconcile.reconcile)


def _decide(
    status: str,
    phone: str | None,
    email: str | None,
    contact: str | None,
    channel: str,
    config: Path | None,
    *,
    as_json: bool,
) -> None:
    content = {
        "platform_contact_id": contact,
        "phone": phone,
        "email": email,
        "channel": channel,
        "status": status,
        "occurred_at": datetime.now(UTC).isoformat(),
    }
    given = {name: value for name, value in content.items() if value is not None}
    try:
        message = parse_message("consent", given)
    except MessageError as error:
        errors.print(f"error: the decision {error}", markup=False)
        raise typer.Exit(2) from error
    with open_inbox(load_settings(config)) as inbox:
        inbox.put([message], source="command")
    if as_json:
        tell_json({name: content[name] for name in ("channel", "status", "occurred_at")})
        return
    console.print(f"recorded: {status} for {channel}; the next look of the opt-in sensor sends it")
