"""Whether charts are small pictures that can be read on light and on dark pages."""

import base64
import io
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import dagster as dg
import numpy as np
import pytest

from emarsys_pipeline.defs import charts

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
WINDOWS = [NOON + timedelta(hours=12 * number) for number in range(100)]
GROWTH = [(start, 250_000 + 700 * n, 900, 200) for n, start in enumerate(WINDOWS)]
CONSENT = [(start, 40 + n, 9, 31 * (n + 1)) for n, start in enumerate(WINDOWS)]
SIZES = [("1", 401_200, 401_200), ("2", 9_100, 18_200), ("5 to 8", 12, 70)]
DRAWN = {
    "growth": charts.segment_growth(GROWTH),
    "first window": charts.segment_growth([(NOON, 0, 0, 0)]),
    "consent": charts.consent_over_time(CONSENT),
    "first consent": charts.consent_over_time([(NOON, 1, 0, 1)]),
    "sizes": charts.identity_sizes(SIZES),
}
# White, and the page of Dagster's dark theme.
GROUNDS = {"light": (255, 255, 255), "dark": (15, 17, 22)}


def _png(shown: dg.MarkdownMetadataValue) -> bytes:
    found = re.fullmatch(r"!\[[^\]]+\]\(data:image/png;base64,([A-Za-z0-9+/=]+)\)", shown.value)
    assert found is not None
    return base64.b64decode(found.group(1))


def _luminance(colour: tuple[int, ...]) -> float:
    parts = [value / 255 for value in colour]
    red, green, blue = (
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("name", DRAWN)
def test_a_chart_is_a_small_picture_on_a_transparent_ground(name: str) -> None:
    from matplotlib.image import imread

    png = _png(DRAWN[name])
    pixels = imread(io.BytesIO(png), format="png")

    assert len(png) < 30_000
    assert pixels.shape == (330, 792, 4)
    assert np.all(pixels[[0, -1], :, 3] == 0)
    assert np.mean(pixels[:, :, 3] > 0.5) > 0.01


@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("colour", [charts.INK, charts.BLUE, charts.GREEN, charts.RED])
def test_every_colour_stands_out_from_light_and_dark_pages(colour: str, ground: str) -> None:
    drawn = _luminance(tuple(bytes.fromhex(colour[1:])))
    lighter, darker = sorted((drawn, _luminance(GROUNDS[ground])), reverse=True)

    # What WCAG asks of graphics and of large text.
    assert (lighter + 0.05) / (darker + 0.05) >= 3


def test_the_words_of_a_chart_tell_its_numbers() -> None:
    told = [shown.value.partition("](")[0] for shown in DRAWN.values()]

    assert told == [
        "![250,000 members in the first of 100 windows, 319,300 now",
        "![0 members in the first of 1 windows, 0 now",
        "![3,100 people agree after the last of 100 windows",
        "![1 people agree after the last of 1 windows",
        "![identities by number of contacts: 401,200 with 1, 9,100 with 2, 12 with 5 to 8",
    ]


def test_a_chart_that_cannot_be_drawn_says_so_and_costs_nothing() -> None:
    def fails() -> dg.MarkdownMetadataValue:
        raise ValueError("no fonts")

    assert charts.drawn(fails).value == "No chart: ValueError: no fonts"


def test_loading_the_definitions_imports_no_plotting_library() -> None:
    script = (
        "import sys; from emarsys_pipeline.definitions import defs; defs();"
        " print('matplotlib' in sys.modules)"
    )
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == ["False"]
