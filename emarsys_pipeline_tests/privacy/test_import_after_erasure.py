"""With the sandbox's exports: what Emarsys still delivers of an erased person is not landed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from emarsys_pipeline.privacy.erase import Home, erase, look_up, search_for
from emarsys_pipeline.sandbox.process import Sandbox, running_sandbox
from emarsys_pipeline.settings import Settings
from emarsys_pipeline.stages.stitched_identities import stitch_identities
from emarsys_pipeline_tests.stages.conftest import client, importer
from emarsys_pipeline_tests.stages.deciding import rows
from emarsys_pipeline_tests.stages.importing import ACCOUNT, READERS, Importer, landed
from emarsys_pipeline_tests.stages.landed_rows import FIRST, window

__all__ = ["client", "importer"]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox(contacts=120, seed=3) as running:
        yield running


def run_window(importer: Importer, home: Home, number: int, *, in_full: bool) -> int:
    """Import, map and stitch a window; how many rows landed."""
    outcomes = importer(number, (READERS,), in_full=in_full)
    importer.map(number, (READERS,))
    stitch_identities(
        home.warehouse,
        window(number),
        stitching=home.settings.stitching,
        property_types=home.settings.property_types,
        run_id="run",
    )
    return landed(outcomes[READERS]).rows_delivered


def test_an_erased_person_does_not_come_back_with_the_next_imports(
    importer: Importer, sandbox: Sandbox, tmp_path: Path
) -> None:
    settings = Settings.model_validate(
        {"home": tmp_path / "imported", "windows": {"start": FIRST}, "accounts": [ACCOUNT]}
    )
    home = Home(warehouse=importer.warehouse, settings=settings)
    members = run_window(importer, home, 0, in_full=True)
    ((contact_id, phone, email), (other,)) = (
        *rows(
            home.warehouse,
            "select contact_id, phone_numbers[1], email_addresses[1] from current_contacts as"
            " contacts where len(phone_numbers) = 1 and len(email_addresses) = 1 and ("
            " select count(*) from identity_identifiers where list_contains("
            " contacts.phone_numbers, value) or list_contains(contacts.email_addresses, value)) = 2"
            " and (select count(*) from current_contacts as others where list_has_any("
            " others.phone_numbers, contacts.phone_numbers) or list_has_any("
            " others.email_addresses, contacts.email_addresses)) = 1 order by contact_id limit 1",
        ),
        *rows(home.warehouse, "select max(contact_id) from current_contacts"),
    )
    subject = look_up(home, email)
    assert [each for *_, each in subject.contacts] == [contact_id]
    files = {each.file for each in search_for(home, subject)}
    assert files == {"warehouse.duckdb", "analytics.duckdb"} or files == {"warehouse.duckdb"}

    erase(home, subject)
    # Somebody else's contact now carries the number: it is the same person under another id.
    sandbox.import_silently({other: {"37": phone}})
    in_full = run_window(importer, home, 1, in_full=True)
    changes = run_window(importer, home, 2, in_full=False)

    assert in_full == members - 2
    assert changes <= 2
    assert search_for(home, subject) == []
    assert rows(
        home.warehouse,
        f"select count(*) from raw_segment_exports where contact_id = '{contact_id}'",  # noqa: S608
    ) == [(0,)]
