"""The webhook service as a process of its own, for tests that talk to it or kill it.

``python -m emarsys_pipeline_tests.inbox.service PLACE [--rate N] [--no-secrets]`` listens on a free
port of 127.0.0.1 and prints it; the place of its inbox is written as in ``places.py``.
"""

import argparse
import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import requests
import uvicorn

from emarsys_pipeline.inbox import Inbox
from emarsys_pipeline.inbox.receiver import ReceiverSettings, create_app
from emarsys_pipeline.inbox.signatures import Verifier
from emarsys_pipeline_tests.places import Place, as_text, from_text

PLATFORM_SECRET = "platform secret of at least 32 bytes"
EMARSYS_SECRET = "emarsys secret of at least 32 bytes"
LEGACY_SECRET = "legacy-secret"
MAX_BODY_BYTES = 10_000

SETTINGS = ReceiverSettings(
    platform=Verifier(method="hmac", secret=PLATFORM_SECRET),
    emarsys=Verifier(method="jwt", secret=EMARSYS_SECRET),
    accounts=frozenset({"shop_de"}),
    legacy_secret=LEGACY_SECRET,
    max_body_bytes=MAX_BODY_BYTES,
)


@dataclass(frozen=True)
class Service:
    """A running service: where it listens and which process it is."""

    url: str
    process: "subprocess.Popen[str]"

    def kill(self) -> None:
        """End it as a power cut would end it."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextlib.contextmanager
def running_service(place: Place, *options: str) -> Iterator[Service]:
    """Start the service, wait until it answers, and kill it at the end."""
    command = [
        sys.executable,
        "-m",
        "emarsys_pipeline_tests.inbox.service",
        as_text(place),
        *options,
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own
    try:
        assert process.stdout is not None
        service = Service(f"http://127.0.0.1:{int(process.stdout.readline())}", process)
        _wait_until_ready(service.url)
        yield service
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _wait_until_ready(url: str) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with contextlib.suppress(requests.ConnectionError):
            if requests.get(f"{url}/healthz", timeout=5).ok:
                return
        time.sleep(0.02)
    raise TimeoutError(url)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("place", type=from_text)
    parser.add_argument("--rate", type=float, default=SETTINGS.rate_per_second)
    parser.add_argument("--no-secrets", action="store_true")
    arguments = parser.parse_args()
    settings = replace(SETTINGS, rate_per_second=arguments.rate)
    if arguments.no_secrets:
        settings = replace(settings, platform=None, emarsys=None, legacy_secret=None)
    listener = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    app = create_app(Inbox(arguments.place), settings)
    config = uvicorn.Config(app, log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
