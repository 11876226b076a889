"""Answers of actions as metadata: a table to read and a document to copy."""

from collections.abc import Sequence

import dagster as dg

from emarsys_pipeline.defs.summaries import Metadata, markdown, table
from emarsys_pipeline.emarsys import Choice, Field
from emarsys_pipeline.emarsys.actions import ContactRead, ContactWritten


def contact_read(contact: ContactRead) -> Metadata:
    """One row per field asked for."""
    rows = [
        [item.field_id, item.string_id, item.name, _text(item.value)] for item in contact.values
    ]
    return {
        "contact_id": contact.contact_id,
        "answer": markdown(table(["id", "string id", "name", "value"], rows)),
        "document": dg.MetadataValue.json(contact.as_dict()),
    }


def contact_written(contact: ContactWritten) -> Metadata:
    """Which contact, and which fields."""
    return {"contact_id": contact.contact_id, "field_ids": list(contact.field_ids)}


def fields(listed: Sequence[Field]) -> Metadata:
    """One row per field."""
    rows = [[item.id, item.string_id, item.name, item.application_type] for item in listed]
    return {
        "fields": len(listed),
        "answer": markdown(table(["id", "string id", "name", "type"], rows)),
    }


def choices(listed: Sequence[Choice]) -> Metadata:
    """One row per choice."""
    rows = [[item.id, item.label] for item in listed]
    return {"choices": len(listed), "answer": markdown(table(["id", "label"], rows))}


def _text(value: str | list[str] | None) -> str:
    """The value in one line of a table."""
    text = ", ".join(value) if isinstance(value, list) else value or ""
    return " ".join(text.split())
