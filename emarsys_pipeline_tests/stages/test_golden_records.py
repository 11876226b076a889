"""Golden records: property names of every kind."""

import pytest

from emarsys_pipeline.settings import StitchingSettings
from emarsys_pipeline.stages.stitched_identities import stitch_identities
from emarsys_pipeline.warehouse.columns import ensure_property_columns
from emarsys_pipeline_tests.builders import add_contact, add_platform_contact, window
from emarsys_pipeline_tests.stages.deciding import PHONE, rows
from emarsys_pipeline_tests.warehouses import Warehouse


@pytest.mark.parametrize("name", ["source", "preference", "kind", "value", "order", "status"])
def test_a_property_may_be_called_like_a_column_of_ours(warehouse: Warehouse, name: str) -> None:
    """The newest value wins, whatever the property's name."""
    types = {name: "varchar", "city": "varchar"}
    with warehouse.write() as connection:
        ensure_property_columns(connection, types)
        for number, contact_id in enumerate(["2", "1"]):
            value = {name: f"v{contact_id}"}
            add_contact(connection, contact_id, phones=[PHONE], number=number, properties=value)
    stitch_identities(
        warehouse, window(1), stitching=StitchingSettings(), property_types=types, run_id="run"
    )
    assert rows(warehouse, f'select emarsys_contacts, "{name}", city from identities') == [  # noqa: S608 - a column of ours
        (2, "v1", None)
    ]


def test_a_person_has_the_identifiers_as_they_are_read_not_as_they_are_written(
    warehouse: Warehouse,
) -> None:
    """One spelling on each side of the same number is one number."""
    email = "person@example.org"
    with warehouse.write() as connection:
        add_contact(connection, "1", phones=[PHONE])
        add_platform_contact(connection, "p-1", phone=PHONE, email=email)
    stitch_identities(
        warehouse, window(1), stitching=StitchingSettings(), property_types={}, run_id="run"
    )
    assert rows(warehouse, "select phone_numbers, email_addresses from identities") == [
        ([PHONE], [email])
    ]
