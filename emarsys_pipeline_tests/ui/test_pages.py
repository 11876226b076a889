"""Whether a page answers, in words, what a data engineer comes to it with."""

from collections.abc import Callable, Iterator

import pytest

from emarsys_pipeline_tests.requirements import CHROMIUM, needs
from emarsys_pipeline_tests.ui.browser import Page, opened_browser
from emarsys_pipeline_tests.ui.filled_home import NEWSLETTER, VIP, FilledHome, filled_home
from emarsys_pipeline_tests.ui.take_graph_picture import GRAPH_PAGE, SIZE

pytestmark = [pytest.mark.slow, needs(CHROMIUM)]

Missing = Callable[..., list[str]]

ASSETS = (
    "raw_segment_exports",
    "mapped_contacts",
    "stitched_identities",
    "opt_in_deltas",
    "opt_in_pushes",
    "platform_contacts",
    "consent_events",
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FilledHome]:
    with filled_home(tmp_path_factory.mktemp("ui"), has_failure=True) as filled:
        yield filled


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    """One browser for all tests: it takes longer to start than a page to load."""
    with opened_browser() as opened:
        yield opened


@pytest.fixture
def missing(home: FilledHome, browser: Page) -> Missing:
    """The expected words that a page lacks, followed by the page's own if there are any."""

    def find(page: str, *expected: str, size: tuple[int, int] = (1600, 1200)) -> list[str]:
        browser.resize(*size)
        browser.open(home.dagster.url + page)
        return browser.missing(*expected)

    return find


def test_the_graph_shows_every_asset_and_where_one_failed(missing: Missing) -> None:
    assert not missing(GRAPH_PAGE, *ASSETS, "75% filled (1 failed)", size=SIZE)


def test_an_imported_asset_explains_its_rows_and_its_last_window(
    home: FilledHome, missing: Missing
) -> None:
    assert not missing(
        "/assets/mapped_contacts",
        "One row per contact that is new, changed or gone in a segment's window.",
        f"{NEWSLETTER}|{home.windows[1].key}",
        "changed_fields varchar[] The properties that differ from the row before",
        "mobile varchar From Emarsys: field 37 of shop_de, identifies by phone",
        "contacts are new, changed or gone",
        "property contacts it changed for",
        "emarsys-pipeline query 'from segment_changes'",
        "At 12:05 AM UTC and 12:05 PM UTC",
    )


def test_what_a_window_brought_in_time_is_fresh(missing: Missing) -> None:
    assert not missing(
        "/assets/raw_segment_exports",
        "Freshness policy Passing",
        "Deadline: At 12:59 AM UTC and 12:59 PM UTC",
        *("Owners data-engineering", "account/shop_de", "dagster/partition_row_count"),
    )


def test_a_view_of_the_analysts_names_the_field_behind_a_column(missing: Missing) -> None:
    assert not missing(
        "/assets/analytics/identities",
        "One row per person: the golden record over all linked contacts.",
        "mobile varchar Mapped property mobile. From Emarsys field 37 of shop_de",
        *("Upstream assets", "mapped_contacts", "stitched_identities", "platform_contacts"),
    )


@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
def test_charts_open_as_pictures(home: FilledHome, browser: Page, *, is_dark: bool) -> None:
    shown = {}
    for asset in ("raw_segment_exports", "consent_events", "stitched_identities"):
        browser.open(f"{home.dagster.url}/assets/{asset}", is_dark=is_dark)
        browser.click("[Show Markdown]")
        shown[asset] = browser.wait_for(
            "[...document.querySelectorAll('img')].filter(each => each.naturalWidth > 700)"
            ".map(each => each.alt)[0]"
        )

    assert {asset: " ".join(text.split()[1:3]) for asset, text in shown.items()} == {
        "raw_segment_exports": "members in",
        "consent_events": "people agree",
        "stitched_identities": "by number",
    }


def test_identities_show_their_sizes_and_what_is_held_back(missing: Missing) -> None:
    assert not missing(
        "/assets/stitched_identities",
        "contacts of an identity identities contacts 1",
        *("quarantine", "most_shared_identifiers", "decisions_in_force", "merges", "splits"),
    )
    assert not missing(
        "/assets/stitched_identities?view=checks", "merges_as_usual", "largest_identity"
    )


def test_the_raw_columns_name_their_fields_and_the_calls_are_counted(missing: Missing) -> None:
    assert not missing(
        "/assets/raw_segment_exports",
        'field_37 varchar As Emarsys wrote it: field 37 "Mobile" (mobile), shorttext of shop_de',
        "API calls shared with all segments of the run",
        *("shared_bytes_downloaded", "counted_by_emarsys", "export_ids"),
    )


def test_the_partitions_show_the_segment_that_failed(home: FilledHome, missing: Missing) -> None:
    assert not missing(
        "/assets/raw_segment_exports?view=partitions",
        *("Failed (1)", "Materialized (3)", "Missing (0)"),
        *(NEWSLETTER, VIP, home.windows[0].key, home.windows[1].key),
    )


def test_the_outbox_shows_what_was_sent(missing: Missing) -> None:
    assert not missing(
        "/assets/opt_in_pushes",
        "One row per attempt to write one opt-in value to Emarsys.",
        "account accepted rejected retrying unknown superseded requests shop_de",
        "emarsys-pipeline query 'from opt_in_deliveries'",
    )


def test_the_runs_tell_what_each_was_for(home: FilledHome, missing: Missing) -> None:
    assert not missing(
        "/runs",
        *("segment_import", "opt_in_sync", "stitched_identities", "opt_in_deltas"),
        f"window: {home.windows[1].key}",
        *("Failure", "Success"),
    )


def test_a_failed_run_says_what_failed_what_to_do_and_why(
    home: FilledHome, missing: Missing
) -> None:
    partition = f"{VIP}|{home.windows[1].key}"
    assert not missing(
        f"/runs/{home.last_import}",
        f"{partition} did not land. What to do: Switch segment.contact.list on for this API user"
        " under Security Settings > API Credentials; a change can take some minutes to act. Then"
        " re-run the failed partitions; the others have landed and go on. Why:",
        f"- {partition}: PermissionMissingError: GET filter/100400102/contacts was refused with"
        " HTTP 403",
        "landed_partitions 1",
    )


def test_a_check_names_the_segment_that_a_window_lacks(home: FilledHome, missing: Missing) -> None:
    assert not missing(
        "/assets/stitched_identities?view=checks",
        f"Stitched without {VIP}|{home.windows[1].key}. Re-run these partitions of"
        " raw_segment_exports and mapped_contacts; they are taken in when they land.",
    )


def test_whatever_runs_by_itself_is_listed(missing: Missing) -> None:
    assert not missing(
        "/automation",
        *("opt_in", "segment_catalogue", "segment_import_schedule", "stage_automation"),
    )


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (
            "schedules/segment_import_schedule",
            "5 min after a window has ended: imports that window for all configured segments",
        ),
        (
            "sensors/segment_catalogue",
            "Turns the segments of the settings file into partitions",
        ),
        ("sensors/opt_in", "New messages start opt_in_sync for the windows"),
        ("sensors/stage_automation", "Links the stages: stitches a window when its segments"),
    ],
    ids=["schedule", "catalogue", "opt_in", "automation"],
)
def test_whatever_runs_by_itself_is_on_and_explained(
    missing: Missing, page: str, words: str
) -> None:
    assert not missing(f"/locations/__repository__@emarsys_pipeline/{page}", words, "Running")
