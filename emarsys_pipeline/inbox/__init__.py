"""The durable queue in front of the warehouse: what the messaging side and automations send.

Webhooks, files and single commands come in by one door, :meth:`Inbox.put`, and the stages read
them from there. Nothing here opens the warehouse.
"""

from emarsys_pipeline.inbox.files import FileLoaded, RejectedRow, load_file
from emarsys_pipeline.inbox.keeping import Delivery, PutResult, Rejected
from emarsys_pipeline.inbox.messages import (
    AutomationMessage,
    ConsentMessage,
    ContactMessage,
    Message,
    MessageError,
    parse_message,
)
from emarsys_pipeline.inbox.queue import Inbox
from emarsys_pipeline.inbox.stores import deploy_store

__all__ = [
    "AutomationMessage",
    "ConsentMessage",
    "ContactMessage",
    "Delivery",
    "FileLoaded",
    "Inbox",
    "Message",
    "MessageError",
    "PutResult",
    "Rejected",
    "RejectedRow",
    "deploy_store",
    "load_file",
    "parse_message",
]
