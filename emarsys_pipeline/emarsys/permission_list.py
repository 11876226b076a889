"""The permissions of an API user: which there are, and what each is for.

Names as on Emarsys's own list of endpoints and permissions. Nothing is imported here, so that the
reading of refusals can name the permission that is missing.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

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
        uses: method and path of the requests that need it and are not the probe.
    """

    name: str
    lost: str
    method: str = ""
    path: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, object] | None = None
    uses: tuple[tuple[str, str], ...] = ()

    @property
    def requests(self) -> tuple[tuple[str, str], ...]:
        """Method and path of all requests that need it."""
        return ((self.method, self.path), *self.uses) if self.method else self.uses


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
    Permission("contact.single", "updating one contact by its id", uses=(("PUT", "contact"),)),
    Permission(
        "contact.update",
        "pushing opt-ins, and the action that updates a contact",
        uses=(("PUT", "contact"),),
    ),
    Permission(
        "contact.create", "creating contacts from your own code", uses=(("POST", "contact"),)
    ),
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
    Permission(
        "externalevent.trigger",
        "the action that triggers an event",
        uses=(("POST", "event/1/trigger"),),
    ),
    Permission("customer.settings", "the account's name and time zone", "GET", "settings"),
)


def permissions_for(method: str, path: str) -> list[str]:
    """The names of the permissions that a request may need; empty if it is not known."""
    wanted = (method, _shape(path))
    return [
        permission.name
        for permission in PERMISSIONS
        if wanted in {(used, _shape(at)) for used, at in permission.requests}
    ]


def _shape(path: str) -> str:
    """A path with ids and languages replaced, so that all requests of an endpoint have the same."""
    return re.sub(r"(?<=/)\d+(?=/|$)|(?<=/translate/).+|(?<=/lang/).+", "#", path.strip("/"))
