"""Contacts: read, update, create, check and query."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from emarsys_pipeline.emarsys.endpoints import Endpoints
from emarsys_pipeline.emarsys.errors import UnreadableReplyError
from emarsys_pipeline.emarsys.fields import EMAIL, INTERNAL_KEYS
from emarsys_pipeline.emarsys.records import (
    CheckedIds,
    ContactError,
    ContactsFound,
    ContactsUpdated,
)
from emarsys_pipeline.emarsys.shapes import (
    as_id,
    as_list,
    as_map,
    as_value,
    chunks,
    errors_of,
    field_ids_as_numbers,
)
from emarsys_pipeline.emarsys.transport import Request, json_content

logger = logging.getLogger(__name__)

MAX_CONTACTS_PER_CALL = 1000
MAX_WRITE_BYTES = 8_000_000  # PUT contact
MAX_QUERY_ROWS = 10_000


class ContactCalls(Endpoints):
    """Contacts."""

    def get_contacts(
        self, keys: Sequence[str], *, key_field: str = "id", fields: Sequence[str]
    ) -> ContactsFound:
        """Values of the contacts with these keys (``contact.getdata``), a thousand per request.

        ``fields`` are field ids; the key field is added. A key that was not found, or that
        several contacts share, is in ``errors``.
        """
        wanted = list(dict.fromkeys(fields))
        if key_field not in INTERNAL_KEYS and key_field.isdigit() and key_field not in wanted:
            wanted.append(key_field)
        contacts: list[dict[str, Any]] = []
        errors: dict[str, ContactError] = {}
        for part in chunks(list(dict.fromkeys(keys)), MAX_CONTACTS_PER_CALL):
            body = {
                "keyId": key_field,
                "keyValues": list(part),
                "fields": field_ids_as_numbers(wanted),
            }
            data = as_map(self._post("contact/getdata", body, is_repeatable=True))
            found = as_list(data.get("result"))
            contacts.extend(_contact(item) for item in found)
            errors.update(errors_of(data))
            logger.info("read %d of %d contacts", len(found), len(part))
        return ContactsFound(contacts, errors)

    def update_contacts(
        self,
        contacts: Sequence[Mapping[str, Any]],
        *,
        key_field: str = "id",
        create_missing: bool = False,
        before_sending: Callable[[], None] = lambda: None,
    ) -> ContactsUpdated:
        """Write the given fields of at most 1000 contacts in one request (``contact.update``).

        Each contact maps field ids to values and holds ``key_field`` itself. Fields that are not
        given stay as they are; None clears one. Contacts that failed are in ``errors``; the
        others were written. ``before_sending`` is called right before the request and each of its
        repetitions; what it raises ends the call.

        Raises:
            NoReplyError: nobody knows whether it was applied (``is_outcome_unknown``).
            ReplyError: nothing was applied, unless ``is_outcome_unknown`` says otherwise.
            ValueError: too many contacts or too many bytes for one request.
        """
        query = {"create_if_not_exists": "1"} if create_missing else {}
        return self._write("PUT", contacts, key_field, query, before_sending)

    def update_single_contact(self, contact_id: str, values: Mapping[str, Any]) -> str:
        """Write the given fields of the contact with this id (``contact.single``); its id.

        Raises the same as ``update_contacts``, and RejectedRequestError when there is no such
        contact or it refuses a value.
        """
        path = f"contact/{int(contact_id)}"
        content = json_content(dict(values))
        request = Request(method="PUT", path=path, content=content, is_repeatable=False)
        data = as_map(self._transport.call(request))
        return as_id(data.get("id", contact_id))

    def create_contacts(
        self, contacts: Sequence[Mapping[str, Any]], *, key_field: str = EMAIL
    ) -> ContactsUpdated:
        """Create at most 1000 contacts in one request (``contact.create``).

        Raises the same as ``update_contacts``.
        """
        return self._write("POST", contacts, key_field, {})

    def check_ids(self, keys: Sequence[str], *, key_field: str = EMAIL) -> CheckedIds:
        """Contact ids of these keys (``contact.contactid.verify``), a thousand per request."""
        ids: dict[str, str] = {}
        errors: dict[str, ContactError] = {}
        for part in chunks(list(dict.fromkeys(keys)), MAX_CONTACTS_PER_CALL):
            body = {"key_id": key_field, "external_ids": list(part)}
            data = as_map(self._post("contact/checkids", body, is_repeatable=True))
            ids.update({key: as_id(value) for key, value in as_map(data.get("ids")).items()})
            errors.update(errors_of(data))
        return CheckedIds(ids, errors)

    def query_contacts(
        self,
        *,
        return_field: str,
        where: Mapping[str, str] | None = None,
        page_size: int = MAX_QUERY_ROWS,
    ) -> Iterator[list[dict[str, Any]]]:
        """Pages of contacts with ``id`` and one field (``contact.list``).

        ``where`` holds at most one indexed field and its value; without it, all contacts.
        """
        offset = 0
        previous: list[dict[str, Any]] = []
        while True:
            query = {
                **(where or {}),
                "return": return_field,
                "limit": str(page_size),
                "offset": str(offset),
            }
            data = as_map(self._get("contact/query/", query))
            page = [_contact(item) for item in as_list(data.get("result"))]
            if page and page == previous:
                raise UnreadableReplyError(
                    method="GET",
                    path="contact/query/",
                    http_status=200,
                    reason=f"the page at offset {offset} repeats the one before",
                )
            if page:
                yield page
            if len(page) < page_size:
                return
            previous = page
            offset += len(page)

    def _write(
        self,
        method: str,
        contacts: Sequence[Mapping[str, Any]],
        key_field: str,
        query: Mapping[str, str],
        before_sending: Callable[[], None] = lambda: None,
    ) -> ContactsUpdated:
        if not 1 <= len(contacts) <= MAX_CONTACTS_PER_CALL:
            raise ValueError(f"{len(contacts)} contacts in one request; 1 to 1000 are allowed")
        body = {"key_id": key_field, "contacts": [dict(contact) for contact in contacts]}
        content = json_content(body)
        if len(content) > MAX_WRITE_BYTES:
            raise ValueError(
                f"a request of {len(content):,} bytes; {MAX_WRITE_BYTES:,} are allowed: "
                "send fewer contacts"
            )
        request = Request(
            method=method,
            path="contact/",
            query=query,
            content=content,
            is_repeatable=False,
            before_sending=before_sending,
        )
        reply = self._transport.reply(request)
        data = as_map(reply.data)
        ids = as_list(data.get("ids")) or ([data["id"]] if "id" in data else [])
        errors = errors_of(data)
        logger.info("wrote %d of %d contacts, %d refused", len(ids), len(contacts), len(errors))
        return ContactsUpdated(
            updated=tuple(as_id(value) for value in ids),
            errors=errors,
            http_status=reply.http_status,
            reply_code=reply.reply_code,
        )


def write_batches(
    contacts: Iterable[Mapping[str, Any]], *, key_field: str = "id"
) -> Iterator[list[Mapping[str, Any]]]:
    """Contacts cut into batches that one request may carry: at most 1000, at most 8 MB.

    Each batch goes to ``update_contacts`` or ``create_contacts`` by itself, so that a batch
    without an answer leaves the outcome of the others known. A contact that is larger than a
    request by itself comes alone, and is refused there.
    """
    envelope = len(json_content({"key_id": key_field, "contacts": []}))
    batch: list[Mapping[str, Any]] = []
    batch_bytes = envelope
    for contact in contacts:
        size = len(json_content(dict(contact))) + len(",")
        if batch and (len(batch) == MAX_CONTACTS_PER_CALL or batch_bytes + size > MAX_WRITE_BYTES):
            yield batch
            batch, batch_bytes = [], envelope
        batch.append(contact)
        batch_bytes += size
    if batch:
        yield batch


def _contact(item: Mapping[str, Any]) -> dict[str, Any]:
    return {str(name): as_value(value) for name, value in item.items()}
