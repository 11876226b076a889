"""Pages as headless Chromium shows them: as text, and as a picture."""

import html
import re
import subprocess
import tempfile
from pathlib import Path

# The browser must not reach out: it shows pages of this machine and nothing else.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
# Time of the page, not of the clock: it runs faster while the page waits for nothing.
_BUDGET = "--virtual-time-budget=30000"
_SECONDS = 120
_SILENT = re.compile(r"<(script|style|noscript)\b.*?</\1>", re.DOTALL)
_TAG = re.compile(r"<[^>]*>")


def words_of(document: str) -> str:
    """The words of an HTML document, separated by single blanks."""
    return " ".join(html.unescape(_TAG.sub(" ", _SILENT.sub(" ", document))).split())


def take_picture(url: str, path: Path, *, size: tuple[int, int] = (1600, 1200)) -> None:
    """Save what a window of this size, in pixels, shows of a page as a PNG file."""
    _run(url, size, f"--screenshot={path}")
    if not path.exists():
        raise FileNotFoundError(f"Chromium took no picture of {url}")


def _run(url: str, size: tuple[int, int], action: str) -> str:
    width, height = size
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        done = subprocess.run(  # noqa: S603 - a program of this machine, on a page of ours
            [
                *("chromium", *FLAGS, _BUDGET, f"--user-data-dir={profile}"),
                *(f"--window-size={width},{height}", action, url),
            ],
            check=True,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
        )
    return done.stdout
