"""What joins two contacts, or what keeps them apart."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from emarsys_pipeline.explain.links import Link, shortest_path
from emarsys_pipeline.explain.person import NotFoundError, find_record, linking_identifiers
from emarsys_pipeline.warehouse import Warehouse, load_sql


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBack:
    """An identifier that contacts of both identities hold, and that does not link them."""

    kind: str
    value: str = field(repr=False)
    reason: str
    decision_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """Two contacts: the links from one to the other, or what is held back between them.

    ``links`` is empty when the two belong to different identities.
    """

    record: str
    other_record: str
    identity_id: str
    other_identity_id: str
    links: list[Link]
    held_back: list[HeldBack]

    @property
    def is_one_person(self) -> bool:
        """Whether both contacts belong to one identity."""
        return self.identity_id == self.other_identity_id


def explain_path(
    warehouse: Warehouse, name: str, other_name: str, *, regions: Sequence[str] = ()
) -> Path:
    """Tell by which shared identifiers two contacts are one person, by the shortest path.

    Args:
        warehouse: its published copy is read.
        name: a contact as source:account:contact_id, a contact id, or a phone number or e-mail
            address, which stands for the first contact that it links.
        other_name: another one.
        regions: ISO countries to try for a phone number without a country code.

    Raises:
        NotFoundError: a name stands for no contact, or for several persons.
    """
    with warehouse.read_published() as connection:
        one = find_record(connection, name, regions)
        other = find_record(connection, other_name, regions)
        links = None
        if one.identity_id == other.identity_id:
            held = linking_identifiers(connection, one.identity_id)
            links = shortest_path(held, one.name, other.name)
            if links is None:
                raise NotFoundError(
                    "the contacts are one identity, but what joined them has changed since it was "
                    "stitched: look again after the next run"
                )
        rows = connection.execute(
            load_sql(__package__, "held_back.sql"),
            {"identity_id": one.identity_id, "other_identity_id": other.identity_id},
        ).fetchall()
    return Path(
        record=one.name,
        other_record=other.name,
        identity_id=one.identity_id,
        other_identity_id=other.identity_id,
        links=links or [],
        held_back=[HeldBack(**dict(zip(HeldBack.__slots__, row, strict=True))) for row in rows],
    )
