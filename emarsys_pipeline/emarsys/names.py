"""Finds fields, choices and events by what people call them, and names the nearest otherwise.

Upper and lower case and blanks at the ends do not matter; for fields neither do hyphens, blanks
and underscores (Emarsys itself writes E-Mail, E-mail and Email). An id wins over a string id, that
over a name, and that over a name spelt loosely.
"""

import difflib
from collections.abc import Callable, Sequence

from emarsys_pipeline.emarsys.errors import UnknownNameError
from emarsys_pipeline.emarsys.fields import INTERNAL_KEYS
from emarsys_pipeline.emarsys.records import Choice, ExternalEvent, Field

MAX_SUGGESTIONS = 3
MIN_LIKENESS = 0.6


def find_field(fields: Sequence[Field], called: str) -> Field:
    """The field with this id, string id or name.

    Raises:
        UnknownNameError: there is none, or several have this name.
    """
    spellings: tuple[tuple[str, Callable[[Field], str]], ...] = (
        (_plain(called), lambda field: field.id),
        (_plain(called), lambda field: _plain(field.string_id)),
        (_plain(called), lambda field: _plain(field.name)),
        (_loose(called), lambda field: _loose(field.name)),
    )
    for wanted, spelt in spellings:
        found = [field for field in fields if wanted and spelt(field) == wanted]
        if len(found) == 1:
            return found[0]
        if found:
            ids = ", ".join(field.id for field in found)
            raise UnknownNameError(
                f"several fields are called {called!r}: {ids}", remedy="Use one of these ids."
            )
    names = {name: field for field in fields for name in (field.string_id, field.name) if name}
    found = list(dict.fromkeys(names[name] for name in _nearest(called, list(names))))
    nearest = [f"{field.name or field.string_id} ({field.id})" for field in found]
    raise UnknownNameError(f"no field is called {called!r}{_suggestion(nearest)}")


def find_key_field(fields: Sequence[Field], called: str) -> str:
    """The id of a key field, or ``id``, ``uid`` or ``eid`` themselves."""
    plain = _plain(called)
    return plain if plain in INTERNAL_KEYS else find_field(fields, called).id


def find_choice(field: Field, choices: Sequence[Choice], called: str) -> Choice:
    """The choice with this id or label; ``id:3`` and ``label:3`` say which is meant.

    Raises:
        UnknownNameError: there is none, or the id of one is the label of another.
    """
    kind, _, rest = called.partition(":")
    if kind not in {"id", "label"} or not rest:
        kind, rest = "", called
    wanted = _plain(rest)
    by_id = [choice for choice in choices if kind != "label" and choice.id == wanted]
    by_label = [choice for choice in choices if kind != "id" and _plain(choice.label) == wanted]
    found = {choice.id: choice for choice in (*by_id, *by_label)}
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        raise UnknownNameError(
            f"{called!r} names several choices of {field.name or field.id}",
            remedy=f"Write id:{rest} for the id or label:{rest} for the label.",
        )
    labels = {choice.label: choice.id for choice in choices if choice.label}
    nearest = [f"{label} ({labels[label]})" for label in _nearest(rest, list(labels))]
    # what was called so is a contact's value, and may be about the person: it is not repeated
    raise UnknownNameError(
        f"the value given is no choice of {field.name or field.id}{_suggestion(nearest)}",
        remedy="Use an id or a label of the field's choices.",
    )


def find_event(events: Sequence[ExternalEvent], called: str) -> ExternalEvent:
    """The external event with this id or name.

    Raises:
        UnknownNameError: there is none.
    """
    wanted = _plain(called)
    for event in events:
        if wanted in {event.id, _plain(event.name)}:
            return event
    ids = {event.name: event.id for event in events}
    nearest = [f"{name} ({ids[name]})" for name in _nearest(called, list(ids))]
    raise UnknownNameError(
        f"no external event is called {called!r}{_suggestion(nearest)}",
        remedy="Use an id or a name of the account's external events.",
    )


def _plain(text: str) -> str:
    return text.strip().casefold()


def _loose(text: str) -> str:
    return "".join(character for character in _plain(text) if character not in "-_ ")


def _nearest(called: str, names: Sequence[str]) -> list[str]:
    """The most similar names, best first."""
    spelt: dict[str, str] = {}
    for name in names:
        spelt.setdefault(_plain(name), name)
    found = difflib.get_close_matches(_plain(called), list(spelt), MAX_SUGGESTIONS, MIN_LIKENESS)
    return [spelt[plain] for plain in found]


def _suggestion(nearest: Sequence[str]) -> str:
    return f"; the nearest: {', '.join(nearest)}" if nearest else ""
