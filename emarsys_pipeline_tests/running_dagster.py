"""A running Dagster that tests ask: its webserver's GraphQL, looked at until something shows."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

import requests

Found = TypeVar("Found")


class RunningDagster(ABC):
    """Where a webserver answers, whoever started it."""

    @property
    @abstractmethod
    def address(self) -> str:
        """The webserver's."""

    @abstractmethod
    def logs(self) -> str:
        """What its processes wrote."""

    def is_alive(self) -> bool:
        """Whether waiting for it may help."""
        return True

    def query(self, query: str, **variables: object) -> Any:
        """The data of a GraphQL query."""
        reply = requests.post(
            f"{self.address}/graphql", json={"query": query, "variables": variables}, timeout=60
        )
        reply.raise_for_status()
        answer = reply.json()
        assert "errors" not in answer, answer
        return answer["data"]

    def wait_for(self, what: str, look: Callable[[], Found | None], *, seconds: float) -> Found:
        """Look again and again until there is something to see."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = look()
            if found:
                return found
            assert self.is_alive(), self.logs()
            time.sleep(0.5)
        raise AssertionError(f"no {what} in {seconds:g} s; the logs:\n{self.logs()}")
