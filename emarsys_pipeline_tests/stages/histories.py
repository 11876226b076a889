"""Random histories of an Emarsys account, and a plain Python model of what an import then knows.

The model says for every window which rows mapping must write, value by value. What it knows of a
contact is what Emarsys has told last: all at a full import or when the contact entered, and again
whenever a changes export named it. It differs from the account by exactly what data imports wrote
since, which Emarsys does not report.
"""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

from emarsys_pipeline.emarsys import EmarsysClient
from emarsys_pipeline.settings import AccountSettings, ImportSettings
from emarsys_pipeline.stages.identifiers import normalise_email, normalise_phone
from emarsys_pipeline.stages.mapped_contacts import map_segment
from emarsys_pipeline.stages.raw_segment_exports import SegmentImported, import_account
from emarsys_pipeline.warehouse import Warehouse
from emarsys_pipeline_tests.stages.landed_rows import CHOICES, make_account, table, window
from emarsys_pipeline_tests.stages.memory_account import Contact, MemoryAccount

FIELDS = [
    {"emarsys": "email", "as": "email", "identifier": "email"},
    {"emarsys": 37, "as": "mobile", "identifier": "phone"},
    {"emarsys": 1, "as": "first_name"},
    {"emarsys": 46, "as": "salutation"},
    {"emarsys": 901, "as": "colours"},
    {"emarsys": 900, "as": "points"},
]
PROPERTIES = ("colours", "email", "first_name", "mobile", "points", "salutation")
TYPES = {name: "double" if name == "points" else "varchar" for name in PROPERTIES}
REGIONS = {"10": "AT", "65": "DE"}
SEGMENTS = ("100", "200")

Values = tuple[Any, ...]
"""The mapped values of a contact in the order of PROPERTIES, then its numbers and addresses."""

Row = tuple[Any, ...]
"""Segment, contact, operation, changed fields, and the values."""

WRITTEN = (
    "select segment_id, contact_id, operation, changed_fields, colours, email, first_name, mobile,"
    " points, salutation, phone_numbers, email_addresses from mapped_contacts"
    " where account = $account and window_start = $start order by segment_id, contact_id"
)
NEWEST = (
    "select segment_id, contact_id, colours, email, first_name, mobile, points, salutation,"
    " phone_numbers, email_addresses from mapped_contacts where account = $account"
    " qualify row_number() over (partition by segment_id, contact_id order by window_start desc)"
    " = 1 and operation <> 'left'"
)
CURRENT = (
    "select contact_id, colours, email, first_name, mobile, points, salutation, phone_numbers,"
    " email_addresses from current_contacts where account = $account and is_member"
    " order by contact_id"
)
READINGS = (
    "select contact_id, value from opt_in_readings semi join"
    " (from current_contacts where is_member) using (account, contact_id)"
    " where account = $account order by contact_id"
)


def make_history_account(name: str) -> AccountSettings:
    """An account of the settings that maps FIELDS."""
    return make_account(
        name=name, fields=FIELDS, segments=list(SEGMENTS), opt_in={"field": "WhatsApp opt-in"}
    )


def random_contact(source: random.Random) -> Contact:
    """Values from small sets, so that contacts share them, and sometimes all of them."""
    return {
        "3": source.choice([None, "", "a@example.org", "B@example.org", "c@example.org", "junk"]),
        "37": source.choice([None, "0170 1234567", "0171 1234567", "0664 1234567", "1"]),
        "1": source.choice([None, "Mina", 'No"or, or\nso', " "]),
        "4": source.choice([None, "1990-01-01"]),
        "14": source.choice([None, "10", "65"]),
        "46": source.choice([None, "1", "2"]),
        "901": source.choice([None, "2", "10,2", "2,10"]),
        "900": source.choice([None, "1", "1.0", "x"]),
        "902": source.choice([None, "granted", "withdrawn"]),
    }


def mapped_values(contact: Contact) -> Values:
    """What mapping makes of a contact; the normal forms are tested elsewhere."""
    labels = {(field_id, choice_id): label for field_id, choice_id, label in CHOICES}
    colours = sorted((contact["901"] or "").split(","), key=lambda each: int(each or 0))
    phone = normalise_phone(contact["37"], REGIONS.get(contact["14"] or "", "DE"))
    email = normalise_email(contact["3"] or None)
    return (
        ", ".join(labels[("901", each)] for each in colours) if contact["901"] else None,
        contact["3"] or None,
        contact["1"] or None,
        contact["37"] or None,
        float(contact["900"]) if contact["900"] not in (None, "", "x") else None,
        labels[("46", contact["46"])] if contact["46"] else None,
        [phone] if phone else [],
        [email] if email else [],
    )


def changed_fields(old: Values, new: Values) -> list[str]:
    """The properties that differ; a new normal form counts even when its text stayed."""
    changed = [name for name, a, b in zip(PROPERTIES, old, new, strict=False) if a != b]
    for name, place in (("mobile", 6), ("email", 7)):
        if old[place] != new[place] and name not in changed:
            changed.append(name)
    return changed


@dataclass
class History:
    """One account over time, imported window by window, beside the model of what is known."""

    warehouse: Warehouse
    folder: Path
    seed: int
    source: random.Random = field(init=False)
    emarsys: MemoryAccount = field(init=False)
    account: AccountSettings = field(init=False)
    imports: ImportSettings = field(init=False)
    number: int = 0
    known: dict[str, dict[str, Values]] = field(default_factory=dict)
    last_full: dict[str, datetime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.source = source = random.Random(self.seed)  # noqa: S311  # not a secret
        self.emarsys = MemoryAccount(has_user_id=source.random() < 0.5)
        self.account = make_history_account(f"history{self.seed}")
        days = source.choice([1, 4, 7])
        self.imports = ImportSettings(reconcile_every_days=days, shrink_tolerance=0)
        ids = [str(number) for number in range(1, source.randrange(4, 25))]
        self.emarsys.contacts = {each: random_contact(source) for each in ids}
        self.emarsys.segments = {
            segment_id: {each for each in ids if source.random() < 0.6} for segment_id in SEGMENTS
        }

    @property
    def configured(self) -> list[str]:
        """The second segment is added to the settings in the second window that is imported."""
        return list(SEGMENTS if self.known else SEGMENTS[: self.source.randrange(1, 3)])

    def evolve(self, windows: int) -> None:
        """Let windows pass: edits, imports that Emarsys does not report, arrivals, leaves."""
        source, emarsys = self.source, self.emarsys
        self.number += windows
        moment = window(self.number).start + timedelta(hours=source.uniform(0, 12))
        for contact_id in sorted(emarsys.contacts):
            event = source.random()
            new = random_contact(source)
            if event < 0.08:
                emarsys.contacts[contact_id] = new
                emarsys.changes.append((moment, contact_id))
            elif event < 0.12:  # a field that is not mapped
                emarsys.contacts[contact_id]["4"] = new["4"]
                emarsys.changes.append((moment, contact_id))
            elif event < 0.16:  # a field that is cleared
                emarsys.contacts[contact_id][source.choice(sorted(new))] = source.choice([None, ""])
                emarsys.changes.append((moment, contact_id))
            elif event < 0.45:  # a data import
                name = source.choice(["1", "14", "37", "46", "900", "901", "902"])
                emarsys.contacts[contact_id][name] = new[name]
            elif event < 0.48:
                del emarsys.contacts[contact_id]
        for _ in range(source.randrange(3)):
            emarsys.contacts[str(1000 + source.randrange(10**6))] = random_contact(source)
        present = sorted(emarsys.contacts)
        for members in emarsys.segments.values():
            members &= set(present)
            members |= {each for each in present if source.random() < 0.15}
            members -= {each for each in sorted(members) if source.random() < 0.15}
        emarsys.repeated = {each for each in present if source.random() < 0.3}
        emarsys.contradicted = {each for each in present if source.random() < 0.1}

    def land(self) -> int:
        """Import and map one window, and compare what mapping wrote with the model.

        Returns:
            How many values sets of a contact in a segment are not what the account holds.
        """
        landing = window(self.number)
        segment_ids = self.configured
        modes = import_window(
            *(self.warehouse, self.emarsys, self.account, segment_ids, self.number),
            *(self.folder, self.imports),
        )
        expected = [row for each in segment_ids for row in self._expect(each, modes[each])]
        parameters = {"account": self.account.name, "start": landing.start}
        assert table(self.warehouse, WRITTEN, **parameters) == sorted(expected, key=_place)
        held = {
            contact_id: [self.known[each].get(contact_id) for each in self.known]
            for contact_id in set().union(*self.known.values())
        }
        current = table(self.warehouse, CURRENT, account=self.account.name)
        assert [row[0] for row in current] == sorted(held)
        assert all(row[1:] in held[row[0]] for row in current)
        return len(self.unreported())

    def unreported(self) -> set[tuple[str, str]]:
        """Segments and contacts whose known values are not those that the account holds."""
        return {
            (segment_id, contact_id)
            for segment_id, contacts in self.known.items()
            for contact_id, values in contacts.items()
            if values != mapped_values(self.emarsys.contacts[contact_id])
        }

    def differences(self) -> set[tuple[str, str]]:
        """Segments and contacts whose rows differ from those of a fresh full import."""
        name = f"fresh{self.seed}x{self.number}"
        fresh = make_history_account(name)
        segment_ids = list(self.known)
        import_window(
            *(self.warehouse, self.emarsys, fresh, segment_ids, self.number),
            *(self.folder, self.imports),
        )
        ours, theirs = (
            {row[:2]: row[2:] for row in table(self.warehouse, NEWEST, account=account)}
            for account in (self.account.name, name)
        )
        assert ours.keys() == theirs.keys()
        return {key for key in ours if ours[key] != theirs[key]}

    def assert_equal_to_fresh(self) -> None:
        """The current tables are those of the fresh full import of :meth:`differences`."""
        fresh = f"fresh{self.seed}x{self.number}"
        for query in (CURRENT, READINGS):
            ours = table(self.warehouse, query, account=self.account.name)
            assert ours == table(self.warehouse, query, account=fresh)

    def _expect(self, segment_id: str, mode: str) -> Iterable[Row]:
        """The rows that mapping must write for a segment; updates what is known."""
        start = window(self.number).start
        days = timedelta(days=self.imports.reconcile_every_days)
        last_full = self.last_full.get(segment_id)
        is_full = last_full is None or start - last_full >= days
        assert mode == ("full" if is_full else "changes")
        if is_full:
            self.last_full[segment_id] = start
        before = self.known.get(segment_id, {})
        after: dict[str, Values] = {}
        for contact_id in self.emarsys.segments[segment_id]:
            is_told = is_full or contact_id not in before or contact_id in self.emarsys.reported
            after[contact_id] = (
                mapped_values(self.emarsys.contacts[contact_id]) if is_told else before[contact_id]
            )
            if contact_id not in before:
                yield segment_id, contact_id, "new", [], *after[contact_id]
            elif after[contact_id] != before[contact_id]:
                names = changed_fields(before[contact_id], after[contact_id])
                yield segment_id, contact_id, "changed", names, *after[contact_id]
        for contact_id in before.keys() - after.keys():
            yield segment_id, contact_id, "left", [], *[None] * len(PROPERTIES), [], []
        self.known[segment_id] = after


def import_window(
    warehouse: Warehouse,
    emarsys: MemoryAccount,
    account: AccountSettings,
    segment_ids: list[str],
    number: int,
    folder: Path,
    imports: ImportSettings,
) -> dict[str, str]:
    """Import and map one window; returns how each segment was imported."""
    outcomes = import_account(
        warehouse,
        cast("EmarsysClient", emarsys),
        account,
        segment_ids,
        window(number),
        imports=imports,
        downloads=folder,
        run_id="run",
        now=_clock(window(number).end + timedelta(minutes=5)),
    )
    modes = {}
    for segment_id, outcome in outcomes.items():
        assert isinstance(outcome, SegmentImported), outcome
        modes[segment_id] = outcome.mode
        mapped = map_segment(
            warehouse, account, segment_id, window(number), property_types=TYPES, run_id="run"
        )
        assert mapped.read == mapped.new + mapped.changed + mapped.left + mapped.unchanged
    return modes


def _clock(moment: datetime) -> Callable[[], datetime]:
    ticks = iter(range(10**6))
    return lambda: moment + timedelta(milliseconds=next(ticks))


def _place(row: Row) -> tuple[str, str]:
    return row[0], row[1]
