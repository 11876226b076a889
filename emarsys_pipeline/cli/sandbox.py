"""``emarsys-pipeline sandbox``: serves the emulated account, and lets a person direct it."""

from __future__ import annotations

import difflib
import errno
import json
from pathlib import Path
from typing import Annotated, Any, Literal

import duckdb
import requests
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from emarsys_pipeline.sandbox.faults import FAULTS
from emarsys_pipeline.sandbox.process import Sandbox, sandbox_at
from emarsys_pipeline.sandbox.serve import (
    DEFAULT_CONTACTS,
    DEFAULT_PORT,
    DEFAULT_SEED,
    Credentials,
    serve,
)

app = typer.Typer(rich_markup_mode="markdown", invoke_without_command=True)

_DEFAULT = Credentials()
_DEFAULT_URL = f"http://127.0.0.1:{DEFAULT_PORT}"

Url = Annotated[str, typer.Option("--url", help="Where the sandbox is served.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def _fail(message: str) -> typer.Exit:
    console = Console(stderr=True, highlight=False)
    console.print(f"[red]error:[/red] {escape(message)}", soft_wrap=True)
    return typer.Exit(1)


def _control(url: str, method: str, path: str, document: dict[str, Any] | None = None) -> Any:
    """Call the control API; what goes wrong ends the command with a message."""
    sandbox: Sandbox = sandbox_at(url)
    try:
        return sandbox.control(method, path, document)
    except requests.RequestException as error:
        raise _fail(
            f"no sandbox answers at {url}. Start one with: emarsys-pipeline sandbox,"
            " or name another with --url"
        ) from error
    except ValueError as error:
        raise _fail(f"the sandbox at {url} refused: {error}") from error


def _say(document: Any, text: str, *, as_json: bool) -> None:
    typer.echo(json.dumps(document, ensure_ascii=False) if as_json else text)


@app.callback()
def sandbox(
    context: typer.Context,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 chooses a free one.")] = (
        DEFAULT_PORT
    ),
    contacts: Annotated[int, typer.Option(min=0, help="How many contacts to make.")] = (
        DEFAULT_CONTACTS
    ),
    seed: Annotated[int, typer.Option(help="The same seed makes the same contacts.")] = (
        DEFAULT_SEED
    ),
    state: Annotated[
        Path | None,
        typer.Option(
            help="File that keeps the account. One that exists is continued, and **--contacts**"
            " and **--seed** mean nothing. Without it the account is temporary."
        ),
    ] = None,
    username: Annotated[str, typer.Option(help="WSSE user of API v2.")] = _DEFAULT.username,
    secret: Annotated[str, typer.Option(help="WSSE secret of API v2.")] = _DEFAULT.secret,
    client_id: Annotated[str, typer.Option(help="OAuth2 client of API v3.")] = _DEFAULT.client_id,
    client_secret: Annotated[str, typer.Option(help="OAuth2 secret of API v3.")] = (
        _DEFAULT.client_secret
    ),
    *,
    rate_limit: Annotated[
        bool, typer.Option(help="Answer 429 to more than 1000 requests a minute.")
    ] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="Announce the account as one line of JSON.")
    ] = False,
) -> None:
    """Serve an emulated Emarsys account on loopback, with a messaging platform beside it.

    Real clients work against it unchanged apart from the base URL: API v2 with WSSE, v3 with
    OAuth2. It prints the credentials and a curl line to try. Ctrl-C stops it.

    While it runs, direct it from another terminal with the commands below:

    - **advance 12h** lets time pass: people edit, join, leave and decide

    - **decide granted --count 20** lets people opt in on the messaging platform

    - **webhooks http://...** sends a webhook for each decision

    - **faults** lists what can go wrong, **fault NAME** makes it so, **clear** ends it

    The page at the printed URL explains the rest: endpoints, switches, what can be read back.
    """
    if context.invoked_subcommand is not None:
        return
    try:
        serve(
            port=port,
            contacts=contacts,
            seed=seed,
            state_path=state,
            has_rate_limit=rate_limit,
            credentials=Credentials(
                username=username, secret=secret, client_id=client_id, client_secret=client_secret
            ),
            as_json=as_json,
        )
    except KeyboardInterrupt:
        return
    except duckdb.IOException as error:
        raise _fail(
            f"cannot open {state}: it is no sandbox's file, or another sandbox has it open."
            " Stop that one, or name another file with --state"
        ) from error
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise _fail(
            f"port {port} is in use. Choose another with --port; 0 takes a free one"
        ) from error


@app.command()
def advance(
    duration: Annotated[str, typer.Argument(help="How long: 12h, 30m or 2d.")],
    url: Url = _DEFAULT_URL,
    *,
    as_json: AsJson = False,
) -> None:
    """Let time pass: contacts are edited, join and leave segments, people decide.

    What happens follows the duration and the seed. In twelve hours about 2 % of the contacts are
    edited, 0.5 % join or leave a segment, and 1 % of the platform's people grant, withdraw or
    deny. Some edits are data imports, which `contact/getchanges` does not report. The clock
    itself stays the real one: all of it is dated now.

    Example: **emarsys-pipeline sandbox advance 12h**
    """
    passed = _control(url, "POST", "advance", {"duration": duration})
    text = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in passed.items())
    _say(passed, text, as_json=as_json)


@app.command()
def faults(
    url: Annotated[
        str | None, typer.Option("--url", help="Tell also the rules in force in this sandbox.")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """List what can go wrong, with a sentence each.

    With **--url** it tells also which rules are in force there, and how many requests each met.

    Example: **emarsys-pipeline sandbox faults --url http://127.0.0.1:8025**
    """
    rules = None if url is None else _control(url, "GET", "faults")
    if as_json:
        document = {"faults": FAULTS} if rules is None else {"faults": FAULTS, "rules": rules}
        typer.echo(json.dumps(document, ensure_ascii=False))
        return
    console = Console(highlight=False)
    console.print(_fault_table())
    if rules is None:
        return
    if not rules:
        console.print(f"no rule is in force at {url}", soft_wrap=True)
    for rule in rules:
        console.print(f"in force: {_rule_text(rule)}; met {rule['met']}", soft_wrap=True)


def _fault_table() -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("fault", no_wrap=True)
    table.add_column("what happens")
    for name, text in FAULTS.items():
        table.add_row(name, text)
    return table


def _rule_text(rule: dict[str, Any]) -> str:
    times = {None: "every time", 1: "once"}.get(rule["times"], f"{rule['times']} times")
    about = "".join(f", {name} {rule[name]}" for name in ("segment", "export") if rule[name])
    after = f" after {rule['after']} that pass" if rule["after"] else ""
    return f"{rule['name']} on {rule['endpoint']}{about}, {times}{after}"


def _details(pairs: list[str]) -> dict[str, Any]:
    """Read ``name=value`` pairs; a value that is JSON is taken as such."""
    details: dict[str, Any] = {}
    for pair in pairs:
        name, separator, text = pair.partition("=")
        if not separator:
            raise typer.BadParameter(f"write name=value, not {pair!r}")
        try:
            details[name] = json.loads(text)
        except ValueError:
            details[name] = text
    return details


@app.command()
def fault(
    name: Annotated[str, typer.Argument(help="A fault that **sandbox faults** lists.")],
    endpoint: Annotated[
        str, typer.Argument(help="Method and path, as 'PUT contact' or 'GET export/{id}/data'.")
    ] = "*",
    segment: Annotated[str | None, typer.Option(help="Only requests about this segment.")] = None,
    export: Annotated[str | None, typer.Option(help="Only requests about this export.")] = None,
    after: Annotated[int, typer.Option(min=0, help="So many matching requests pass first.")] = 0,
    times: Annotated[
        int, typer.Option(min=0, help="So many requests then meet it; 0 means all that follow.")
    ] = 1,
    detail: Annotated[
        list[str] | None,
        typer.Option(help="A parameter of the fault, as wait_seconds=10; may be repeated."),
    ] = None,
    url: Url = _DEFAULT_URL,
    *,
    as_json: AsJson = False,
) -> None:
    """Make something go wrong, for the requests that a rule names.

    Two examples:

    **emarsys-pipeline sandbox fault commit_then_drop 'PUT contact' --after 2** applies the third
    update, then drops the connection.

    **emarsys-pipeline sandbox fault server_error --segment 100400101 --times 0** answers 500 to
    everything about one segment.
    """
    if name not in FAULTS:
        near = difflib.get_close_matches(name, FAULTS, n=1)
        meant = f" Did you mean {near[0]}?" if near else ""
        raise _fail(f"there is no fault {name}.{meant} List them: emarsys-pipeline sandbox faults")
    rule = {
        "name": name,
        "endpoint": endpoint,
        "segment": segment,
        "export": export,
        "after": after,
        "times": times or None,
    }
    _control(url, "POST", "faults", {**rule, **_details(detail or [])})
    _say(rule, f"set: {_rule_text(rule)}", as_json=as_json)


@app.command()
def clear(url: Url = _DEFAULT_URL, *, as_json: AsJson = False) -> None:
    """Forget all faults: from now on everything is answered as it should be.

    Example: **emarsys-pipeline sandbox clear**
    """
    rules = _control(url, "GET", "faults")
    _control(url, "DELETE", "faults")
    _say({"cleared": len(rules)}, f"cleared: {len(rules)}", as_json=as_json)


@app.command()
def decide(
    status: Annotated[Literal["granted", "withdrawn", "denied"], typer.Argument()],
    count: Annotated[int, typer.Option(min=1, help="So many people decide.")] = 1,
    contact: Annotated[
        list[str] | None,
        typer.Option(help="Platform contact that decides, instead of **--count**; repeatable."),
    ] = None,
    channel: Annotated[str, typer.Option(help="What the decision is about.")] = "whatsapp",
    url: Url = _DEFAULT_URL,
    *,
    as_json: AsJson = False,
) -> None:
    """Let people on the messaging platform grant, withdraw or deny consent now.

    Without **--contact** the sandbox chooses people whom Emarsys knows and who have decided
    least often.

    Example: **emarsys-pipeline sandbox decide granted --count 20**
    """
    who: dict[str, Any] = {"contact_ids": contact} if contact else {"count": count}
    reply = _control(url, "POST", "platform/decide", {"status": status, "channel": channel, **who})
    events = reply["events"]
    _say(reply, f"{len(events)} decisions: {status} on {channel}", as_json=as_json)


@app.command()
def webhooks(
    to: Annotated[
        str | None, typer.Argument(help="Address that further decisions are sent to.")
    ] = None,
    secret: Annotated[str, typer.Option(help="Secret that signs them.")] = "",
    auth: Annotated[
        Literal["hmac", "jwt", "header"], typer.Option(help="How they are signed.")
    ] = "hmac",
    duplicates: Annotated[int, typer.Option(min=0, help="So many come twice.")] = 0,
    delay: Annotated[float, typer.Option(min=0, help="Seconds that they come late.")] = 0.0,
    shuffle: Annotated[
        int | None, typer.Option(help="A seed; those of one moment come in another order.")
    ] = None,
    url: Url = _DEFAULT_URL,
    *,
    off: Annotated[bool, typer.Option("--off", help="Send no further ones.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send a webhook for every decision from now on, as the messaging platform does.

    One request a decision, tried again when it is not answered with 2xx: 11 times in all, after
    30 seconds first and up to 10 minutes later. Without an address it tells where they go now.

    Example, for the receiver of **emarsys-pipeline webhooks**:
    **emarsys-pipeline sandbox webhooks http://127.0.0.1:8026/webhooks/platform/consent
    --secret s3cret**
    """
    if off:
        subscription = _control(url, "DELETE", "platform/subscription")
    elif to is None:
        subscription = _control(url, "GET", "platform/subscription")
    else:
        delivery = {
            "url": to,
            "secret": secret,
            "auth": auth,
            "duplicates": duplicates,
            "delay_seconds": delay,
            "shuffle_seed": shuffle,
        }
        subscription = _control(url, "POST", "platform/subscription", delivery)
    sent_to = subscription.get("url")
    text = f"decisions are sent to {sent_to}" if sent_to else "decisions are sent nowhere"
    _say(subscription, text, as_json=as_json)
