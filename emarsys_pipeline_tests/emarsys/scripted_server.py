"""A real HTTP server on loopback that answers as a script says and records what it was asked."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Sabotage = Callable[["Handler"], None]


@dataclass(frozen=True)
class Answer:
    """One scripted reply; ``sabotage`` replaces it by whatever it does to the connection."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    sabotage: Sabotage | None = None


@dataclass(frozen=True)
class Recorded:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ok(data: object = None, headers: Mapping[str, str] | None = None) -> Answer:
    return envelope(0, "OK", data, headers=headers)


def envelope(
    code: int,
    text: str,
    data: object = "",
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    document = {"replyCode": code, "replyText": text, "data": data}
    return Answer(
        status,
        json.dumps(document).encode(),
        {"Content-Type": "application/json", **(headers or {})},
    )


def csv_file(text: str, **more: Any) -> Answer:
    return Answer(200, text.encode(), {"Content-Type": "text/csv;charset=UTF-8"}, **more)


def reset_connection(handler: "Handler") -> None:
    """Close without a reply, after the request was read."""
    handler.close_connection = True
    handler.connection.shutdown(2)


def cut_off(content: bytes, announced: int, content_type: str) -> Answer:
    """A reply that announces more bytes than it sends."""

    def send(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", content_type)
        handler.send_header("Content-Length", str(announced))
        handler.end_headers()
        handler.wfile.write(content)
        handler.close_connection = True

    return Answer(sabotage=send)


def drip(content: bytes, pause_seconds: float) -> Answer:
    """A reply whose body comes byte by byte."""

    def send(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        for byte in content:
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()
            time.sleep(pause_seconds)

    return Answer(sabotage=send)


class ScriptedServer(ThreadingHTTPServer):
    """Answers in the scripted order; the last answer of a script is repeated."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[Answer] = []
        self.requests: list[Recorded] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def answer_with(self, *answers: Answer) -> None:
        self.script = list(answers)

    def next_answer(self, request: Recorded) -> Answer:
        with self.lock:
            self.requests.append(request)
            return self.script.pop(0) if len(self.script) > 1 else self.script[0]


class Handler(BaseHTTPRequestHandler):
    """Records each request and sends the next scripted answer."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one packet: two would wait for a delayed acknowledgement
    server: ScriptedServer

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        request = Recorded(
            self.command,
            self.path,
            {name.lower(): value for name, value in self.headers.items()},
            self.rfile.read(length),
            time.monotonic(),
        )
        answer = self.server.next_answer(request)
        time.sleep(answer.delay_seconds)
        if answer.sabotage:
            answer.sabotage(self)
            return
        self.send_response_only(answer.status)
        headers = {"Date": self.date_time_string(), **answer.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 the base calls them so

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the base's name
        """Keep the test output clean."""

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            self.close_connection = True  # the client gave up, as the test wants


@contextmanager
def scripted_server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
