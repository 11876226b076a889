"""A page that can be clicked, by Chromium's own remote control."""

import base64
import json
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from websockets.sync.client import ClientConnection, connect

from emarsys_pipeline_tests.ui.chromium import FLAGS, words_of

SECONDS = 60.0

# The innermost element with these words, as people see it.
_FIND = """
[...document.querySelectorAll('*')].filter(
  each => each.innerText?.trim() === WORDS && ![...each.children].some(
    child => child.innerText?.trim() === WORDS))[NUMBER]
"""


class Page:
    """One page of a running Chromium."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._calls = 0

    def open(self, url: str, *, is_dark: bool = False) -> None:
        """Go to an address, as somebody who prefers dark or light pages."""
        theme = "dark" if is_dark else "light"
        self._call(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": theme}],
        )
        self._call("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression."""
        answer = self._call("Runtime.evaluate", expression=script, returnByValue=True)
        return answer["result"].get("value")

    def wait_for(self, script: str) -> Any:
        """The value of an expression, once it is true."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            found = self.run(script)
            if found:
                return found
            time.sleep(0.3)
        raise AssertionError(
            f"{script} stayed false; the page: {self.run('document.body.innerText')}"
        )

    def missing(self, *expected: str) -> list[str]:
        """The expected words that the page still lacks after a while, and then the page's own."""
        deadline = time.monotonic() + SECONDS
        while True:
            # A page that has just been opened has no element yet.
            text = words_of(self.run("document.documentElement?.outerHTML") or "")
            lacking = [words for words in expected if words not in text]
            if not lacking or time.monotonic() > deadline:
                return [*lacking, text] if lacking else []
            time.sleep(0.3)

    def resize(self, width: int, height: int) -> None:
        """Show the page as in a window of this size, in pixels."""
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def click(self, words: str, *, number: int = 0) -> None:
        """Click on what carries exactly these words; the first of them, or a later one."""
        found = _FIND.replace("WORDS", json.dumps(words)).replace("NUMBER", str(number)).strip()
        self.wait_for(f"Boolean({found})")
        self.run(f"({found}).click()")

    def picture(self, path: Path) -> None:
        """Save what the window shows as a PNG file."""
        path.write_bytes(base64.b64decode(self._call("Page.captureScreenshot")["data"]))

    def _call(self, method: str, **parameters: object) -> Any:
        self._calls += 1
        call = {"id": self._calls, "method": method, "params": parameters}
        self._connection.send(json.dumps(call))
        while True:
            message = json.loads(self._connection.recv(timeout=SECONDS))
            if message.get("id") == self._calls:
                assert "error" not in message, message
                return message["result"]


@contextmanager
def opened_browser(*, size: tuple[int, int] = (1600, 1200)) -> Iterator[Page]:
    """Start Chromium with an empty page, and end it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        log = Path(profile) / "chromium.log"
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - a program of this machine, on pages of ours
                [
                    *("chromium", *FLAGS, f"--user-data-dir={profile}"),
                    *(f"--window-size={size[0]},{size[1]}", "--remote-debugging-port=0"),
                    "about:blank",
                ],
                stderr=output,
            )
        try:
            with connect(_page_address(log), max_size=None) as connection:
                yield Page(connection)
        finally:
            process.terminate()
            process.wait(SECONDS)


def _page_address(log: Path) -> str:
    """Where the page takes commands; Chromium says at its start which port it chose."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        found = re.search(r"ws://(127\.0\.0\.1:\d+)/", log.read_text())
        if found:
            pages = requests.get(f"http://{found.group(1)}/json", timeout=SECONDS).json()
            return str(
                next(page for page in pages if page["type"] == "page")["webSocketDebuggerUrl"]
            )
        time.sleep(0.2)
    raise AssertionError(log.read_text())
