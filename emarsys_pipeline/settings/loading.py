"""Finds, reads and validates the settings file."""

import difflib
import os
from pathlib import Path

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from emarsys_pipeline.settings import accounts, alerts, lake, messaging, model, retention, stitching
from emarsys_pipeline.settings.document import Document, DocumentError, Place, parse
from emarsys_pipeline.settings.example import EXAMPLE_NAME, example_settings
from emarsys_pipeline.settings.secret import SettingsError

CONFIG_VARIABLE = "EMARSYS_PIPELINE_CONFIG"
DEFAULT_PATH = Path("emarsys_pipeline.yaml")

# The section at each place, with list positions left out and the kind of a connection or target as
# pydantic adds it.
SECTIONS: dict[tuple[str, ...], type[BaseModel]] = {
    (): model.Settings,
    ("windows",): model.WindowSettings,
    ("imports",): model.ImportSettings,
    ("pushes",): model.PushSettings,
    ("reconciliation",): model.ReconciliationSettings,
    ("retention",): retention.RetentionSettings,
    ("stitching",): stitching.StitchingSettings,
    ("stitching", "golden_records"): stitching.GoldenRecordSettings,
    ("webhooks",): model.WebhookSettings,
    ("messaging",): messaging.MessagingSettings,
    ("messaging", "hand_over"): messaging.HandOverSettings,
    ("messaging", "http"): messaging.MessagingHttpSettings,
    ("publish",): model.PublishSettings,
    ("alerts",): alerts.AlertSettings,
    ("alerts", "targets", "webhook"): alerts.WebhookTarget,
    ("alerts", "targets", "email"): alerts.EmailTarget,
    ("lake",): lake.LakeSettings,
    ("lake", "s3"): lake.LakeStoreSettings,
    ("maintenance",): lake.MaintenanceSettings,
    ("accounts",): accounts.AccountSettings,
    ("accounts", "connection", "wsse"): accounts.WsseConnection,
    ("accounts", "connection", "oauth2"): accounts.OAuth2Connection,
    ("accounts", "segments"): accounts.SegmentReference,
    ("accounts", "fields"): accounts.FieldMapping,
    ("accounts", "opt_in"): accounts.OptInSettings,
}

# What pydantic adds to a location, by the key before it.
KINDS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("connection",): ("wsse", "oauth2"),
    ("targets",): ("webhook", "email"),
}


def load_settings(path: Path | None = None) -> model.Settings:
    """The settings of this deployment.

    Read from ``path``, else from the file that EMARSYS_PIPELINE_CONFIG names, else from
    ``emarsys_pipeline.yaml`` in the current folder, else from the packaged example, which is the
    sandbox's account. A relative ``home`` counts from the file's folder.

    Raises:
        SettingsError: the file cannot be read, or has mistakes: each with line, value and remedy.
    """
    configured = os.environ.get(CONFIG_VARIABLE)
    if path is None and configured:
        path = Path(configured)
    if path is None and DEFAULT_PATH.exists():
        path = DEFAULT_PATH
    if path is None:
        return _validated(example_settings(), f"the packaged {EXAMPLE_NAME}", None)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(
            f"the settings file {path} cannot be read: {error.strerror}; name an existing file in "
            f"{CONFIG_VARIABLE}, or write one with emarsys-pipeline init"
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not UTF-8 text; save it as UTF-8") from error
    return _validated(text, str(path), path.resolve())


def _validated(text: str, name: str, path: Path | None) -> model.Settings:
    try:
        document = parse(text)
    except DocumentError as error:
        raise SettingsError(f"{name}, line {error.line}: {error.problem}") from None
    if not isinstance(document.data, dict):
        raise SettingsError(
            f"{name}, line 1: holds no settings; write one with emarsys-pipeline init"
        )
    if "path" in document.data:
        line = document.line(("path",))
        raise SettingsError(f"{name}, line {line}, path: {_unknown_key(('path',))}")
    folder = path.parent if path is not None else Path.cwd()
    try:
        settings = model.Settings.model_validate(document.data)
    except ValidationError as error:
        # Not chained: pydantic's error carries the values, among them secrets put here by mistake.
        raise SettingsError(_report(name, document, error)) from None
    return settings.model_copy(update={"path": path, "home": folder / settings.home.expanduser()})


def _report(name: str, document: Document, error: ValidationError) -> str:
    lines = set()
    for details in error.errors(include_url=False):
        for place, text in _mistakes(document, details):
            lines.add((document.line(place), f"{_dotted(place)}: {text}"))
    count = "1 mistake" if len(lines) == 1 else f"{len(lines)} mistakes"
    listed = "\n".join(f"  {name}, line {line}, {text}" for line, text in sorted(lines))
    return f"{count} in the settings:\n{listed}"


def _mistakes(document: Document, details: ErrorDetails) -> list[tuple[Place, str]]:
    """The place and the text of each mistake that one error of pydantic stands for."""
    place = _written_place(details["loc"])
    context = details.get("ctx", {})
    if details["type"] == "mistakes":
        return [
            (at, f"{_shown(document, at)}{text}")
            for relative, text in context["mistakes"]
            for at in [(*place, *relative)]
        ]
    if details["type"] == "too_short" and details["input"]:
        # Pydantic counts only the valid entries, and the invalid ones have their own message.
        return []
    if details["type"] == "literal_secret":
        return [(place, details["msg"])]
    if details["type"] == "extra_forbidden":
        return [(place, _unknown_key(details["loc"]))]
    section, key = _section_and_key(details["loc"])
    description = _description(section, key)
    if details["type"] == "missing":
        return [(place, f"is missing; write {key}: {description}")]
    if details["type"] == "value_error":
        return [(place, f"{_shown(document, place)}{context['error']}")]
    problem = details["msg"][:1].lower() + details["msg"][1:]
    text = f"{_shown(document, place)}cannot be used: {problem}"
    if "expected" in context or "expected_tags" in context:
        expected = str(context.get("expected", context.get("expected_tags")))
        text += _nearest(str(details["input"]), [part.strip("'") for part in expected.split("'")])
    return [(place, f"{text}; write {description}")]


def _written_place(location: Place) -> Place:
    """Pydantic's location without the kind of a connection or target, which it adds as a key."""
    place: Place = ()
    for part in location:
        names = tuple(name for name in place if isinstance(name, str))
        is_kind = part in KINDS.get(names[-1:], ())
        if not is_kind:
            place = (*place, part)
    return place


def _section_and_key(location: Place) -> tuple[type[BaseModel] | None, str]:
    names = tuple(part for part in location if isinstance(part, str))
    while names:
        names, key = names[:-1], names[-1]
        if names in SECTIONS:
            return SECTIONS[names], key
    return None, ""


def _keys(section: type[BaseModel]) -> dict[str, str]:
    """What each key of a section means, by the name that the file uses."""
    return {
        field.alias or name: field.description or ""
        for name, field in section.model_fields.items()
        if name != "path"
    }


def _description(section: type[BaseModel] | None, key: str) -> str:
    return (
        _keys(section).get(key, "what the example shows") if section else "what the example shows"
    )


def _unknown_key(location: Place) -> str:
    section, key = _section_and_key(location)
    known = sorted(_keys(section)) if section else []
    return f"no such key{_nearest(key, known)}; the keys here are {', '.join(known)}"


def _nearest(written: str, known: list[str]) -> str:
    matches = difflib.get_close_matches(written, known, n=1)
    return f"; did you mean {matches[0]}?" if matches else ""


def _shown(document: Document, place: Place) -> str:
    """The written value, unless it stands where someone may have put a secret."""
    text = document.texts.get(place)
    key = str(place[-1]) if place else ""
    in_connection = "connection" in place and key not in {"auth", "token_url"}
    return "" if text is None or in_connection or key.endswith("secret") else f"{text!r} "


def _dotted(place: Place) -> str:
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "the file"
