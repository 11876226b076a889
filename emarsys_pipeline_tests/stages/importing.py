"""Imports windows of a sandbox account into a warehouse, and says what should have landed."""

from pathlib import Path
from typing import Any

from emarsys_pipeline.emarsys import EmarsysClient
from emarsys_pipeline.settings import AccountSettings, ImportSettings
from emarsys_pipeline.stages.mapped_contacts import map_segment
from emarsys_pipeline.stages.raw_segment_exports import SegmentImported, import_account
from emarsys_pipeline_tests.stages.landed_rows import make_account, window
from emarsys_pipeline_tests.warehouses import Warehouse

READERS, CUSTOMERS, EMPTY, SINGLE = "100400101", "100400102", "100400103", "100400104"
COMBINED = "100400106"
QUICK = ImportSettings(export_poll_seconds=0.05, reconcile_every_days=1)
FIELDS = [
    {"emarsys": 1, "as": "first_name"},
    {"emarsys": "email", "as": "email", "identifier": "email"},
    {"emarsys": "Mobile", "as": "mobile", "identifier": "phone"},
    {"emarsys": 46, "as": "salutation"},
    {"emarsys": 10231, "as": "colours"},
]
ACCOUNT = make_account(
    fields=FIELDS, segments=[READERS, CUSTOMERS], opt_in={"field": "WhatsApp opt-in"}
)
RAW = (
    "select segment_id, contact_id, kind, field_1, field_3, field_14, field_37, field_46,"
    " field_10231, field_10500 from raw_segment_exports order by window_start, segment_id,"
    " contact_id"
)


class Importer:
    """Imports windows of one account into one warehouse."""

    def __init__(self, warehouse: Warehouse, client: EmarsysClient, downloads: Path) -> None:
        self.warehouse = warehouse
        self.client = client
        self.downloads = downloads

    def __call__(
        self,
        number: int = 0,
        segments: tuple[str, ...] = (READERS, CUSTOMERS),
        *,
        account: AccountSettings = ACCOUNT,
        in_full: bool = False,
        **limits: Any,
    ) -> dict[str, SegmentImported | Exception]:
        outcomes = import_account(
            self.warehouse,
            self.client,
            account,
            segments,
            window(number),
            imports=QUICK.model_copy(update=limits),
            downloads=self.downloads,
            run_id="run",
            in_full=in_full,
        )
        assert not self.downloads.exists() or list(self.downloads.iterdir()) == []
        return outcomes

    def map(self, number: int, segments: tuple[str, ...] = (READERS, CUSTOMERS)) -> None:
        for segment_id in segments:
            map_segment(
                self.warehouse,
                ACCOUNT,
                segment_id,
                window(number),
                property_types={item.property: "varchar" for item in ACCOUNT.fields},
                run_id="run",
            )


def landed(outcome: SegmentImported | Exception) -> SegmentImported:
    assert isinstance(outcome, SegmentImported), outcome
    return outcome


def members_of(client: EmarsysClient, segment_id: str) -> list[str]:
    return sorted(each for page in client.segment_contact_ids(segment_id) for each in page)


def expected_rows(client: EmarsysClient, segment_id: str) -> list[tuple[Any, ...]]:
    """A full import of a segment, by getdata alone, with labels where exports write them."""
    fields = ["1", "3", "14", "37", "46", "10231", "10500"]
    labels = {
        field_id: {choice.id: choice.label for choice in choices}
        for field_id, choices in client.list_choices(["14", "46"]).items()
    }
    rows = []
    for contact in client.get_contacts(members_of(client, segment_id), fields=fields).contacts:
        values = [contact.get(name) for name in fields]
        texts = [",".join(value) if isinstance(value, list) else value for value in values]
        texts[2] = labels["14"].get(str(texts[2]))
        texts[4] = labels["46"].get(str(texts[4]))
        rows.append((segment_id, contact["id"], "member", *texts))
    return sorted(rows)


LABELLED = (
    "select raw.segment_id, raw.contact_id, raw.kind, field_1, field_3, coalesce(country.label,"
    " field_14), field_37, coalesce(salutation.label, field_46), field_10231, field_10500"
    " from raw_segment_exports as raw"
    " left join emarsys_choices as country on country.field_id = '14'"
    " and country.choice_id = field_14 and dialect = 'ids'"
    " left join emarsys_choices as salutation on salutation.field_id = '46'"
    " and salutation.choice_id = field_46 and dialect = 'ids' order by all"
)
