"""Contact lists, as far as segment runs and pushes to lists need them."""

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import parse_qs, urlsplit

from emarsys_pipeline.emarsys.endpoints import Endpoints
from emarsys_pipeline.emarsys.errors import UnreadableReplyError
from emarsys_pipeline.emarsys.fields import EMAIL
from emarsys_pipeline.emarsys.records import ContactError, ContactList
from emarsys_pipeline.emarsys.shapes import as_id, as_list, as_map, chunks, errors_of
from emarsys_pipeline.emarsys.transport import Request

MAX_CONTACTS_PER_LIST_CALL = 10_000
MAX_IDS_PER_PAGE = 100_000


class ContactListCalls(Endpoints):
    """Contact lists."""

    def list_contact_lists(self) -> list[ContactList]:
        """All contact lists (``contactlist.list``)."""
        return [
            ContactList(
                as_id(item["id"]), str(item.get("name") or ""), str(item.get("created") or "")
            )
            for item in as_list(self._get("contactlist"))
        ]

    def create_contact_list(
        self, name: str, keys: Sequence[str] = (), *, key_field: str = EMAIL, description: str = ""
    ) -> tuple[str, Mapping[str, ContactError]]:
        """Make a list of at most 10,000 contacts; its id, and the contacts that failed."""
        self._check_count(keys)
        body = {
            "name": name,
            "description": description,
            "key_id": key_field,
            "external_ids": list(keys),
        }
        data = as_map(self._post("contactlist", body, is_repeatable=False))
        if "id" not in data:
            raise UnreadableReplyError(
                method="POST", path="contactlist", http_status=200, reason="it holds no list id"
            )
        return as_id(data["id"]), errors_of(data)

    def add_to_contact_list(
        self, contact_list_id: str, keys: Sequence[str], *, key_field: str = EMAIL
    ) -> Mapping[str, ContactError]:
        """Add contacts, ten thousand per request; the contacts that failed."""
        return self._change(contact_list_id, "add", keys, key_field)

    def remove_from_contact_list(
        self, contact_list_id: str, keys: Sequence[str], *, key_field: str = EMAIL
    ) -> Mapping[str, ContactError]:
        """Remove contacts, ten thousand per request; the contacts that failed."""
        return self._change(contact_list_id, "delete", keys, key_field)

    def count_contact_list(self, contact_list_id: str) -> int:
        """The number of contacts in a list."""
        return int(self._get(f"contactlist/{int(contact_list_id)}/count"))

    def delete_contact_list(self, contact_list_id: str) -> None:
        """Delete a list; its contacts stay."""
        path = f"contactlist/{int(contact_list_id)}/deletelist"
        # a second deletion is refused with 3006 and changes nothing
        self._post(path, {}, is_repeatable=True)

    def contact_list_ids(
        self, contact_list_id: str, page_size: int = MAX_IDS_PER_PAGE
    ) -> Iterator[list[str]]:
        """Pages of contact ids in a list.

        Raises:
            UnreadableReplyError: a page names itself as the next one.
        """
        path = f"contactlist/{int(contact_list_id)}/contactIds"
        position = "0"
        while True:
            request = Request(
                method="GET",
                path=path,
                query={"$top": str(page_size), "$skiptoken": position},
                is_repeatable=True,
                has_envelope=False,  # {"value": [...], "next": "<path with $skiptoken>"}
            )
            document = as_map(self._transport.call(request))
            page = [as_id(item) for item in as_list(document.get("value"))]
            if page:
                yield page
            following = _skip_token(document.get("next"))
            if following is None:
                return
            if following == position:
                raise UnreadableReplyError(
                    method="GET", path=path, http_status=200, reason="a page is its own successor"
                )
            position = following

    def _change(
        self, contact_list_id: str, action: str, keys: Sequence[str], key_field: str
    ) -> Mapping[str, ContactError]:
        errors: dict[str, ContactError] = {}
        path = f"contactlist/{int(contact_list_id)}/{action}"
        for part in chunks(keys, MAX_CONTACTS_PER_LIST_CALL):
            body = {"key_id": key_field, "external_ids": list(part)}
            # membership is a set: adding or removing twice changes nothing more
            errors.update(errors_of(self._post(path, body, is_repeatable=True)))
        return errors

    def _check_count(self, keys: Sequence[str]) -> None:
        if len(keys) > MAX_CONTACTS_PER_LIST_CALL:
            raise ValueError(
                f"{len(keys):,} contacts for a new list; {MAX_CONTACTS_PER_LIST_CALL:,} are "
                "allowed: add the others afterwards"
            )


def _skip_token(next_page: object) -> str | None:
    if not isinstance(next_page, str) or not next_page:
        return None
    tokens = parse_qs(urlsplit(next_page).query).get("$skiptoken")
    return tokens[0] if tokens else None
