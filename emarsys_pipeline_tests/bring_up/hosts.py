"""Hosts with addresses and files of their own, on one machine: network and mount namespaces.

Each host has its own address on a bridge, its own host name, and sees of the disk only what is
read-only, such as the installed program, and its own folder: no file that one host writes can be
seen by another, or by the machine on which servers and control services run.
"""

import contextlib
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from emarsys_pipeline_tests.bring_up.servers import START_SECONDS, wait_until

# Private addresses that nobody routes; taken from a range hardly used elsewhere.
NETWORK = "10.213.77"
BRIDGE_ADDRESS = f"{NETWORK}.1"
TRUSTED = f"{NETWORK}.0/24"

# What a host's processes begin with, in namespaces of their own.
_ENTER = """
set -e
mount --bind "$own" /mnt
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /var/tmp
mount -t tmpfs tmpfs /dev/shm
mkdir -p "$all"
mount -t tmpfs tmpfs "$all"
mkdir -p "$own"
mount --bind /mnt "$own"
umount /mnt
mount -o remount,bind,ro /
hostname "$name"
exec "$@"
"""


@dataclass(frozen=True, slots=True)
class Host:
    """One host: its name, its address, and the only folder that it can write."""

    name: str
    address: str
    namespace: str
    folder: Path

    @property
    def within(self) -> tuple[str, ...]:
        """What a command is started with to run on this host."""
        variables = (f"own={self.folder}", f"all={self.folder.parent}", f"name={self.name}")
        return (
            *("ip", "netns", "exec", self.namespace, "unshare", "--mount", "--uts", "--ipc"),
            *("env", *variables, "bash", "-c", _ENTER, "enter"),
        )

    def run(self, *command: str) -> str:
        """What a command prints there."""
        return subprocess.run(  # noqa: S603 - our own command
            [*self.within, *command], check=True, capture_output=True, text=True, timeout=60
        ).stdout


def may_make_hosts() -> bool:
    """Whether this user may make the namespaces of which hosts are made."""
    tried = ["unshare", "--net", "--mount", "--uts", "--ipc", "mount", "-t", "tmpfs", "a", "/mnt"]
    return os.geteuid() == 0 and subprocess.run(tried, capture_output=True).returncode == 0  # noqa: S603


@contextlib.contextmanager
def connected_hosts(folder: Path, names: Sequence[str]) -> Iterator[list[Host]]:
    """Make a bridge and these hosts, for the length of the block. Needs to be root.

    Args:
        folder: each host sees its own folder in it, and nothing else of it.
        names: of the hosts.
    """
    mark = uuid.uuid4().hex[:6]
    bridge = f"br{mark}"
    with contextlib.ExitStack() as made:
        _ip("link", "add", bridge, "type", "bridge")
        made.callback(_ip, "link", "del", bridge)
        _ip("addr", "add", f"{BRIDGE_ADDRESS}/24", "dev", bridge)
        _ip("link", "set", bridge, "up")
        hosts = []
        for number, name in enumerate(names):
            host = Host(
                name=name,
                address=f"{NETWORK}.{number + 2}",
                namespace=f"{name}-{mark}",
                folder=folder / name,
            )
            host.folder.mkdir(parents=True)
            link = f"v{number}{mark}"
            _ip("netns", "add", host.namespace)
            made.callback(_ip, "netns", "del", host.namespace)
            peer = ("peer", "name", "eth0", "netns", host.namespace)
            _ip("link", "add", link, "type", "veth", *peer)
            _ip("link", "set", link, "master", bridge, "up")
            inside = ("-n", host.namespace)
            _ip(*inside, "addr", "add", f"{host.address}/24", "dev", "eth0")
            _ip(*inside, "link", "set", "eth0", "up")
            _ip(*inside, "link", "set", "lo", "up")
            hosts.append(host)
        yield hosts


@contextlib.contextmanager
def reached_from(hosts: Sequence[Host], port: int) -> Iterator[None]:
    """Let each host reach a port of this machine's loopback at its own loopback."""
    relay = (sys.executable, "-m", "emarsys_pipeline_tests.bring_up.relay")
    commands = [[*relay, BRIDGE_ADDRESS, str(port), "127.0.0.1"]]
    commands += [
        ["ip", "netns", "exec", host.namespace, *relay, "127.0.0.1", str(port), BRIDGE_ADDRESS]
        for host in hosts
    ]
    processes = [
        subprocess.Popen(command, env=dict(os.environ))  # noqa: S603 - our own command
        for command in commands
    ]
    try:
        for *enter, _, _, _, address, _, _ in commands:
            wait_until("relay", partial(_answers, enter, address, port), seconds=START_SECONDS)
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _answers(enter: Sequence[str], address: str, port: int) -> bool:
    connect = ("bash", "-c", f"exec 3<>/dev/tcp/{address}/{port}")
    done = subprocess.run([*enter, *connect], check=False, stderr=subprocess.DEVNULL)  # noqa: S603
    return done.returncode == 0


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)  # noqa: S603, S607 - a program of the system
