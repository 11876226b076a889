"""Starts the server: opens or creates the account, then answers until it is stopped."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import uvicorn

from emarsys_pipeline.sandbox.app import make_app
from emarsys_pipeline.sandbox.generate import generate_account
from emarsys_pipeline.sandbox.platform_api import API_KEY, PATH
from emarsys_pipeline.sandbox.state import State

HOST = "127.0.0.1"
DEFAULT_PORT = 8025
DEFAULT_CONTACTS = 2_000
DEFAULT_SEED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The credentials the sandbox accepts; these are no secrets, the account is made up."""

    username: str = "sandbox001"
    secret: str = "sandbox-secret"  # noqa: S105 - of a made-up account
    client_id: str = "sandbox-client"
    client_secret: str = "sandbox-client-secret"  # noqa: S105 - of a made-up account


def open_state(
    path: Path, *, contacts: int, seed: int, credentials: Credentials, has_rate_limit: bool
) -> State:
    """Open the account at a path; make it first when there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    state = State(path)
    if state.setting("seed") is None:
        generate_account(state, contacts=contacts, seed=seed)
        state.save_settings({"token_key": secrets.token_hex(32)})
    state.save_settings(
        {
            "wsse_secrets": {
                **(state.setting("wsse_secrets") or {}),
                credentials.username: credentials.secret,
            },
            "oauth_secrets": {
                **(state.setting("oauth_secrets") or {}),
                credentials.client_id: credentials.client_secret,
            },
            "enforce_rate_limit": has_rate_limit,
        }
    )
    return state


def serve(
    *,
    port: int = DEFAULT_PORT,
    contacts: int = DEFAULT_CONTACTS,
    seed: int = DEFAULT_SEED,
    state_path: Path | None = None,
    has_rate_limit: bool = True,
    credentials: Credentials | None = None,
    as_json: bool = False,
    stops_at_end_of_input: bool = False,
) -> None:
    """Serve the sandbox on loopback until interrupted.

    Args:
        port: 0 chooses a free one.
        contacts: how many contacts a new account gets; an existing state keeps its own.
        seed: the same seed gives the same contacts.
        state_path: DuckDB file of the account; None makes a temporary one.
        has_rate_limit: whether more than 1000 requests a minute are refused.
        credentials: what clients sign in with.
        as_json: print one JSON line on readiness instead of text for people.
        stops_at_end_of_input: end when standard input does, that is with the parent process.
    """
    chosen = credentials or Credentials()
    # A termination leaves the block below in the ordinary way, so that what is temporary goes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with _account_at(state_path) as path, _bind(port) as listener:
        url = f"http://{HOST}:{listener.getsockname()[1]}"
        state = open_state(
            path, contacts=contacts, seed=seed, credentials=chosen, has_rate_limit=has_rate_limit
        )
        server = _server(state)
        listener.listen(2048)
        is_continued = (state.setting("contacts"), state.setting("seed")) != (contacts, seed)
        sys.stdout.write(
            _announcement(url, chosen, state, is_continued=is_continued, as_json=as_json)
        )
        sys.stdout.flush()
        if stops_at_end_of_input:
            threading.Thread(target=_stop_at_end_of_input, args=(server,), daemon=True).start()
        server.run(sockets=[listener])


@contextmanager
def _account_at(path: Path | None) -> Iterator[Path]:
    """Give the path of the account's file; without one, of a file that goes in the end."""
    if path is not None:
        yield path
        return
    with TemporaryDirectory(prefix="emarsys-sandbox-", ignore_cleanup_errors=True) as folder:
        yield Path(folder) / "sandbox.duckdb"


def _server(state: State) -> uvicorn.Server:
    config = uvicorn.Config(
        make_app(state),
        # httptools would write header names in lower case; Emarsys's odd case is kept.
        http="h11",
        log_level="critical",
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=3,
        ws="none",
    )
    return uvicorn.Server(config)


def _bind(port: int) -> socket.socket:
    """Return a socket that holds the port but does not listen yet."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError:
        listener.close()
        raise
    return listener


def _stop_at_end_of_input(server: uvicorn.Server) -> None:
    # Not through sys.stdin: its lock, held by a waiting thread, would crash the interpreter's end.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    server.should_exit = True


def _announcement(
    url: str, credentials: Credentials, state: State, *, is_continued: bool, as_json: bool
) -> str:
    token_url = f"{url}/oauth2/token"
    held = state.scalar("select count(*) from contacts")
    if as_json:
        document = {
            "url": url,
            "token_url": token_url,
            "state": str(state.path),
            "contacts": held,
            **asdict(credentials),
        }
        return json.dumps(document) + "\n"
    note = "  (from the existing state; --contacts and --seed mean nothing)" if is_continued else ""
    token = (
        f"curl -s -u {credentials.client_id}:{credentials.client_secret}"
        f" -d grant_type=client_credentials {token_url}"
        """ | sed 's/.*"access_token": *"\\([^"]*\\)".*/\\1/'"""
    )
    return f"""Emarsys sandbox at {url}
  contacts:         {held:,}, seed {state.setting("seed")}{note}
  API v2 (WSSE):    {url}/api/v2   user {credentials.username}, secret {credentials.secret}
  API v3 (OAuth2):  {url}/api/v3   client {credentials.client_id}, \
secret {credentials.client_secret}
  token endpoint:   {token_url}
  contact upserts:  {url}{PATH}   x-api-key {API_KEY}
  explained at:     {url}/   (for machines: {url}/openapi.json)
  state:            {state.path}
Try:
  curl -s -H "Authorization: Bearer $({token})" {url}/api/v3/filter
From another terminal: emarsys-pipeline sandbox --help. Stop it with Ctrl-C.
"""
