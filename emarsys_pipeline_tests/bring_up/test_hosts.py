"""The hosts of the proof with two hosts are what it takes them for.

The proof itself takes minutes: ``python -m emarsys_pipeline_tests.bring_up.two_hosts``.
"""

import select
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from emarsys_pipeline_tests.bring_up.hosts import (
    BRIDGE_ADDRESS,
    Host,
    connected_hosts,
    may_make_hosts,
    reached_from,
)
from emarsys_pipeline_tests.requirements import IPROUTE, needs

pytestmark = [
    needs(IPROUTE),
    pytest.mark.skipif(not may_make_hosts(), reason="this user may not make network namespaces"),
]


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Host]]:
    folder = tmp_path_factory.mktemp("two") / "hosts"
    with connected_hosts(folder, ["hosta", "hostb"]) as made:
        yield made


def test_a_host_sees_and_writes_no_files_but_its_own(hosts: list[Host], tmp_path: Path) -> None:
    ours = tmp_path / "ours"
    ours.touch()
    for host in hosts:
        host.run("touch", f"{host.folder}/kept")
        host.run("touch", "/tmp/gone", "/dev/shm/gone")  # noqa: S108 - of the host
        with pytest.raises(subprocess.CalledProcessError, match="touch"):
            host.run("touch", "/var/lib/written")
        with pytest.raises(subprocess.CalledProcessError):
            host.run("cat", str(ours))
        seen = host.run("find", str(host.folder.parent), "-mindepth", "1").split()
        assert sorted(seen) == sorted([str(host.folder), f"{host.folder}/kept"])
        assert host.run("hostname").strip() == host.name
        assert (host.folder / "kept").exists()
    assert not Path("/var/lib/written").exists()


def test_a_host_has_its_own_address_and_reaches_what_it_is_given(hosts: list[Host]) -> None:
    for host in hosts:
        assert host.run("hostname", "-I").split() == [host.address]
    with socket.create_server(("127.0.0.1", 0)) as server, reached_from(hosts, _port(server)):
        port = _port(server)
        say = f"exec 3<>/dev/tcp/127.0.0.1/{port} && echo $own >&3"
        server.settimeout(20)
        while _is_waiting(server):
            server.accept()[0].close()
        for host in hosts:
            host.run("bash", "-c", say)
            accepted, _ = server.accept()
            with accepted:
                assert accepted.recv(1000).decode().strip() == str(host.folder)
    unreached = f"exec 3<>/dev/tcp/{BRIDGE_ADDRESS}/{port}"
    with pytest.raises(subprocess.CalledProcessError):
        hosts[0].run("bash", "-c", unreached)


def _is_waiting(server: socket.socket) -> bool:
    """Whether somebody has connected who was not accepted yet."""
    return bool(select.select([server], [], [], 0.5)[0])


def _port(server: socket.socket) -> int:
    return int(server.getsockname()[1])
