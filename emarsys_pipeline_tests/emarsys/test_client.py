"""The client's options have their effect at the server, and threads may share it."""

import gzip
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from emarsys_pipeline.emarsys import EmarsysClient, RetrySettings, WsseCredentials, errors
from emarsys_pipeline_tests.emarsys.conftest import FAST
from emarsys_pipeline_tests.emarsys.scripted_server import (
    Answer,
    Handler,
    ScriptedServer,
    csv_file,
    drip,
    envelope,
    ok,
)

CREDENTIALS = WsseCredentials("shop001", "demo-secret")


def test_a_download_may_be_silent_for_longer_than_a_call(
    server: ScriptedServer, tmp_path: Path
) -> None:
    server.answer_with(csv_file("a\n1\n", delay_seconds=0.4))
    with EmarsysClient(
        CREDENTIALS,
        base_url=server.url,
        retries=FAST,
        read_timeout_seconds=0.1,
        download_timeout_seconds=5.0,
    ) as client:
        assert client.download_export("5", tmp_path / "x.csv").rows == 1
        with pytest.raises(errors.NoReplyError, match="ReadTimeout"):
            client.list_segments()


def test_a_connection_that_is_never_made_ends_in_time() -> None:
    with socket.socket() as full, socket.socket() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)  # room for one connection that nobody accepts: the next ones hang
        waiting.connect(full.getsockname())
        began = time.monotonic()
        with (
            EmarsysClient(
                CREDENTIALS,
                base_url=f"http://127.0.0.1:{full.getsockname()[1]}",
                connect_timeout_seconds=0.1,
                retries=FAST,
            ) as client,
            pytest.raises(errors.NoReplyError, match=r"could not be sent \(ConnectTimeout"),
        ):
            client.list_segments()
        assert time.monotonic() - began < 5


def test_a_body_that_trickles_in_does_not_last_for_ever(server: ScriptedServer) -> None:
    server.answer_with(drip(ok([{"id": 1, "name": "x" * 400}]).body, 0.02))
    began = time.monotonic()
    with (
        EmarsysClient(
            CREDENTIALS, base_url=server.url, read_timeout_seconds=0.1, retries=FAST
        ) as client,
        pytest.raises(errors.NoReplyError, match="SlowBody"),
    ):
        client.update_contacts([{"id": "1"}])
    assert 0.5 < time.monotonic() - began < 2


def test_a_compressed_body_is_read(server: ScriptedServer, client: EmarsysClient) -> None:
    body = gzip.compress(ok([{"id": 1, "name": "x" * 200_000}]).body)
    server.answer_with(Answer(200, body, {"Content-Encoding": "gzip"}))
    assert [len(segment.name) for segment in client.list_segments()] == [200_000]


def test_a_chunked_body_is_read(server: ScriptedServer, client: EmarsysClient) -> None:
    body = ok([{"id": 1, "name": "x" * 5000}]).body

    def send(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for start in range(0, len(body), 700):
            piece = body[start : start + 700]
            handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        handler.wfile.write(b"0\r\n\r\n")

    server.answer_with(Answer(sabotage=send))
    assert [len(segment.name) for segment in client.list_segments()] == [5000]


def test_the_time_for_evaluations_is_bounded(server: ScriptedServer) -> None:
    server.answer_with(envelope(10001, "The segment is currently evaluated.", status=202))
    settings = RetrySettings(wait_factor=0.1, evaluation_seconds=0.5, jitter=0)
    began = time.monotonic()
    with (
        EmarsysClient(CREDENTIALS, base_url=server.url, retries=settings) as client,
        pytest.raises(errors.NotYetError),
    ):
        client.count_segment("5")
    assert time.monotonic() - began < 1
    assert len(server.requests) == 4  # after 0, 0.05, 0.15 and 0.35 seconds


def test_threads_share_a_client(server: ScriptedServer, client: EmarsysClient) -> None:
    server.answer_with(ok([{"id": 5, "name": "A"}]))
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda _: client.list_segments()[0].id, range(80)))
    assert results == ["5"] * 80
    assert (client.calls, len(server.requests)) == (80, 80)
    nonces = {request.headers["x-wsse"] for request in server.requests}
    assert len(nonces) == 80


def test_a_netrc_entry_does_not_replace_the_signature(
    server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server.answer_with(ok([]))
    with EmarsysClient(CREDENTIALS, base_url=server.url, retries=FAST) as client:
        client.list_segments()
    assert "authorization" not in server.requests[0].headers


def test_a_redirect_is_not_followed(server: ScriptedServer, client: EmarsysClient) -> None:
    server.answer_with(Answer(302, b"", {"Location": f"{server.url}/elsewhere"}), ok([]))
    with pytest.raises(errors.RejectedRequestError, match="HTTP 302"):
        client.list_segments()
    assert len(server.requests) == 1


@pytest.mark.parametrize("url", ["api.emarsys.net", "ftp://api.emarsys.net", "https://"])
def test_a_base_url_without_scheme_or_host_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="base URL"):
        EmarsysClient(CREDENTIALS, base_url=url)


def test_an_unencrypted_address_is_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    EmarsysClient(CREDENTIALS, base_url="http://api.example.org").close()
    assert "not encrypted" in caplog.text
