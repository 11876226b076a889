"""The permissions of an API user: which there are, what each is for, and which of them work.

Names as on Emarsys's own list of endpoints and permissions. A probe never changes anything: it
reads, or sends a request that Emarsys must reject for its content, which it does only after it
has found the permission. Permissions to write contacts are not probed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from emarsys_pipeline.emarsys.endpoints import Endpoints
from emarsys_pipeline.emarsys.errors import (
    AuthenticationError,
    EmarsysError,
    PermissionMissingError,
    ReplyError,
    ServerError,
)
from emarsys_pipeline.emarsys.transport import Request, json_content

NO_SUCH_ID = "1"  # ids of exports and segments are far larger, so this one is rejected


@dataclass(frozen=True, slots=True)
class Permission:
    """One permission.

    Attributes:
        name: as Emarsys's security settings spell it.
        lost: what does not work without it.
        method: of the request that probes it; empty when it is not probed.
        path: of that request.
        query: of that request.
        body: of that request, None for none.
    """

    name: str
    lost: str
    method: str = ""
    path: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class PermissionProbe:
    """What a probe found; ``detail`` says why when it is unclear."""

    permission: Permission
    state: Literal["granted", "missing", "not probed", "unclear"]
    detail: str = ""


NO_CONTACT: Mapping[str, object] = {"keyId": "id", "keyValues": ["0"], "fields": [3]}
LISTS_CHOICES = "labels of choices"

PERMISSIONS: tuple[Permission, ...] = (
    Permission(
        "contact.getdata",
        "contacts that enter a segment, and reading back what was pushed",
        "POST",
        "contact/getdata",
        body=NO_CONTACT,
    ),
    Permission("contact.single", "updating one contact by its id"),
    Permission("contact.update", "pushing opt-ins, and the action that updates a contact"),
    Permission("contact.create", "creating contacts that are missing"),
    Permission(
        "export.contact.changed",
        "imports of changes: every import is a full one",
        "POST",
        "contact/getchanges",
        body={},
    ),
    Permission(
        "export.contactlist", "exports of contact lists", "POST", "email/getcontacts", body={}
    ),
    Permission("export.segment", "the import of segments", "POST", "export/filter", body={}),
    Permission("export.status", "the import of segments", "GET", f"export/{NO_SUCH_ID}"),
    Permission("export.download", "the import of segments", "GET", f"export/{NO_SUCH_ID}/data"),
    Permission("field.get", "fields in the account's default language", "GET", "field"),
    Permission("field.list", "the field mapping: nothing is imported", "GET", "field/translate/en"),
    Permission(
        "field.multichoice.get",
        LISTS_CHOICES,
        "GET",
        "field/choices",
        {"fields": "5", "language": "en"},
    ),
    Permission("field.singlechoice.list", LISTS_CHOICES, "GET", "field/5/choice"),
    Permission("field.singlechoice.lang.list", LISTS_CHOICES, "GET", "field/5/choice/lang/en"),
    Permission(
        "field.singlechoice.trans.list", LISTS_CHOICES, "GET", "field/5/choice/translate/en"
    ),
    Permission("segment.get", "segments named by their name", "GET", "filter"),
    Permission("segment.list", "details of one segment", "GET", f"filter/{NO_SUCH_ID}"),
    Permission(
        "segment.contact.list",
        "who entered and left a segment: every import is a full one",
        "GET",
        f"filter/{NO_SUCH_ID}/contacts",
        {"limit": "1", "offset": "0"},
    ),
    Permission(
        "segment.contact.count",
        "the check of an export's size against its segment",
        "GET",
        f"filter/{NO_SUCH_ID}/contacts/count",
    ),
    Permission("combinedsegment.list", "names of combined segments", "GET", "combinedsegments"),
    Permission("externalevent.list", "events named by their name", "GET", "event"),
    Permission("externalevent.trigger", "the action that triggers an event"),
    Permission("customer.settings", "the account's name and time zone", "GET", "settings"),
)


class PermissionCalls(Endpoints):
    """Probing permissions."""

    def probe_permissions(self) -> list[PermissionProbe]:
        """Which permissions work, in the order of ``PERMISSIONS``; changes nothing.

        Raises:
            AuthenticationError: the credentials themselves are refused.
        """
        return [self._probe(permission) for permission in PERMISSIONS]

    def _probe(self, permission: Permission) -> PermissionProbe:
        if not permission.method:
            return PermissionProbe(permission, "not probed")
        request = Request(
            method=permission.method,
            path=permission.path,
            query=permission.query,
            content=None if permission.body is None else json_content(permission.body),
            is_repeatable=True,
        )
        try:
            self._transport.call(request)
        except AuthenticationError:
            raise
        except PermissionMissingError:
            return PermissionProbe(permission, "missing")
        except ServerError as error:
            return PermissionProbe(permission, "unclear", str(error))
        except ReplyError:
            # refused for its content, which is looked at after the permission
            return PermissionProbe(permission, "granted")
        except EmarsysError as error:
            return PermissionProbe(permission, "unclear", str(error))
        return PermissionProbe(permission, "granted")
