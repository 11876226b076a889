"""What some groups of tests need from the machine, and what happens without it.

A test marked ``needs(CHROMIUM)`` is skipped where the program is missing; the reason and the
summary at the end name the Debian package that brings it. ``.ci/run`` installs all of them.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

_PROPERTY = "needs_debian_package"


@dataclass(frozen=True, slots=True)
class DebianPackage:
    """A Debian package and the program that tests use from it.

    ``folders`` matches further folders in which the program may be, beside those of ``PATH``.
    """

    name: str
    program: str
    folders: str | None = None

    @property
    def path_of_program(self) -> Path | None:
        """Where the program is; None if it is not installed."""
        found = shutil.which(self.program)
        if found is None and self.folders is not None:
            folders = sorted(Path("/").glob(self.folders.removeprefix("/")), reverse=True)
            found = shutil.which(self.program, path=os.pathsep.join(map(str, folders)))
        return None if found is None else Path(found)

    @property
    def is_installed(self) -> bool:
        return self.path_of_program is not None


CHROMIUM = DebianPackage("chromium", program="chromium")
POSTGRESQL = DebianPackage("postgresql", program="initdb", folders="/usr/lib/postgresql/*/bin")
REDIS = DebianPackage("redis-server", program="redis-server")
IPROUTE = DebianPackage("iproute2", program="ip", folders="/usr/sbin")
SYSTEMD = DebianPackage("systemd", program="systemd-analyze")


def needs(package: DebianPackage) -> pytest.MarkDecorator:
    """The mark of tests that only run where the package is installed."""
    return pytest.mark.needs.with_args(package)


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Skip the tests whose package is missing."""
    for item in items:
        for package in _packages(item):
            if not package.is_installed:
                item.user_properties.append((_PROPERTY, package.name))
                item.add_marker(pytest.mark.skip(reason=f"needs the Debian package {package.name}"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name each group that was skipped, with the package that it needs."""
    skipped: dict[tuple[str, str], int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        group = str(PurePosixPath(report.nodeid.split("::")[0]).parent)
        for name, package in getattr(report, "user_properties", []):
            if name == _PROPERTY:
                skipped[group, package] = skipped.get((group, package), 0) + 1
    if skipped:
        terminalreporter.section("groups skipped for a missing Debian package")
    for (group, package), tests in sorted(skipped.items()):
        terminalreporter.line(
            f"{group}: {tests} tests skipped, run them after: apt-get install {package}"
        )


def _packages(item: pytest.Item) -> Iterator[DebianPackage]:
    for mark in item.iter_markers("needs"):
        yield from mark.args
