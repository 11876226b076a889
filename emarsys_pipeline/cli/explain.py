"""``emarsys-pipeline explain``: the evidence on one person."""

import json
from dataclasses import asdict
from datetime import UTC, datetime, tzinfo
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from emarsys_pipeline.cli.options import AsJson, Config
from emarsys_pipeline.cli.published import published_warehouse
from emarsys_pipeline.cli.terminal import console, errors, table, working
from emarsys_pipeline.explain import Explanation, NotFoundError, Path, explain_path
from emarsys_pipeline.explain import explain as explain_person
from emarsys_pipeline.settings import load_settings


def explain(
    *,
    name: Annotated[
        str,
        typer.Argument(
            help="A contact (its id, or source:account:id), phone number, e-mail address or "
            "identity id."
        ),
    ],
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="NAME", help="Show only what joins NAME with this contact."),
    ] = None,
    config: Config = None,
    utc: Annotated[bool, typer.Option("--utc", help="Times in UTC, as without it.")] = False,
    local: Annotated[bool, typer.Option("--local", help="Times of this machine, not UTC.")] = False,
    time_zone: Annotated[
        str | None,
        typer.Option("--time-zone", metavar="NAME", help="Times of a zone: Europe/Berlin."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell why contacts are one person, and why Emarsys shows the opt-in that it shows.

    Prints the person's contacts, the shared identifiers that join them, each consent decision and
    what became of each opt-in value, and then every step in order: decisions, deltas, requests,
    confirmations and refusals, differences found, merges and splits. The view consent_history holds
    the same. With --to, prints the shortest path of shared identifiers between two contacts, or
    what is held back between them.

    Example: **emarsys-pipeline explain +491700000001 --time-zone Europe/Berlin**
    """
    zone = _zone(time_zone, is_local=local, is_utc=utc)
    settings = load_settings(config)
    warehouse = published_warehouse(settings)
    regions = sorted({account.default_region for account in settings.accounts})
    try:
        if to is not None:
            with working("looking for what joins them"):
                path = explain_path(warehouse, name, to, regions=regions)
            _show_path(path, as_json=as_json)
            return
        with working("gathering the person's steps"):
            found = explain_person(warehouse, name, regions=regions)
    except NotFoundError as error:
        errors.print(f"[red]error:[/red] {error}", soft_wrap=True)
        raise typer.Exit(1) from error
    if as_json:
        console.print_json(json.dumps(asdict(found), default=_text))
        return
    _show(found, zone)


def _show_path(found: Path, *, as_json: bool) -> None:
    if as_json:
        console.print_json(json.dumps(asdict(found), default=str))
        return
    if found.is_one_person:
        count = "1 link" if len(found.links) == 1 else f"{len(found.links)} links"
        joined = f"one person, identity {found.identity_id}, by {count}:"
    else:
        joined = f"two persons, identities {found.identity_id} and {found.other_identity_id}."
    console.print(f"{found.record} and {found.other_record} are {joined}", soft_wrap=True)
    for link in found.links:
        console.print(f"{link.record} and {link.joined_to}: {link.reason}", soft_wrap=True)
    for held in found.held_back:
        decision = "" if held.decision_id is None else f" (decision {held.decision_id})"
        console.print(
            f"Contacts of both hold {held.kind} {held.value}, which does not link them: "
            f"{held.reason}{decision}",
            soft_wrap=True,
        )


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _zone(name: str | None, *, is_local: bool, is_utc: bool) -> tzinfo | None:
    """The zone to show times in; None is that of this machine."""
    if (name is not None) + is_local + is_utc > 1:
        raise typer.BadParameter("give one of --utc, --local and --time-zone")
    if name is None:
        return None if is_local else UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise typer.BadParameter(f"there is no time zone {name}: write Europe/Berlin") from error


def _show(found: Explanation, zone: tzinfo | None) -> None:
    def at(moment: datetime | None) -> str:
        if moment is None:
            return ""
        zoned = moment.astimezone(zone)
        return f"{zoned:%Y-%m-%d %H:%M:%S}" + ("Z" if zone is UTC else f"{zoned:%z}")

    console.print(f"Identity {found.identity_id}")
    for retired in found.retired_ids:
        console.print(f"  took in identity {retired}")
    rows = [(r.name, at(r.first_window_start), r.opt_in_value or "") for r in found.records]
    console.print(table("Contacts", ("contact", "first window", "opt-in last read"), rows))
    for link in found.links:
        console.print(f"{link.record} is joined to {link.joined_to}: {link.reason}", soft_wrap=True)
    decisions = [
        (at(d.occurred_at), d.channel, d.status, d.source, d.resolved_by, "*" * d.is_deciding)
        for d in found.decisions
    ]
    if decisions:
        heads = ["decided at", "channel", "status", "source", "found by", "holds"]
        console.print(table("Consent decisions", heads, decisions))
    else:
        console.print("No consent decision is known.")
    deliveries = [
        (
            *(at(d.derived_at), f"{d.account} {d.contact_id}", d.old_value or "", d.new_value),
            *(d.reason, d.outcome, at(d.settled_at), d.reply_text or ""),
        )
        for d in found.deliveries
    ]
    if deliveries:
        columns = (
            "derived at",
            "contact",
            "old",
            "new",
            "reason",
            "outcome",
            "settled at",
            "reply",
        )
        console.print(table("Opt-in values for Emarsys", columns, deliveries))
    else:
        console.print("No opt-in value had to be written.")
    if found.history:
        steps = [(at(step.happened_at), step.step, step.words) for step in found.history]
        console.print(table("In order", ("when", "step", "what"), steps))
