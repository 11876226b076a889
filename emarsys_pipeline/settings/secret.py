"""References to secrets: the file names an environment variable, and its value is read at use."""

import os
import re
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class SettingsError(Exception):
    """Settings that cannot be used; the message names the place, the value and the remedy."""


@dataclass(frozen=True, slots=True)
class SecretReference:
    """The name of an environment variable that holds a secret; never the secret itself."""

    variable: str

    def reveal(self) -> str:
        """The secret, read from the environment now.

        Raises:
            SettingsError: the variable is not set, or empty.
        """
        value = os.environ.get(self.variable, "")
        if not value:
            raise SettingsError(
                f"the environment variable {self.variable} is not set, and the settings read a "
                f"secret from it; export {self.variable} before starting"
            )
        return value

    def __str__(self) -> str:
        """The reference as the settings file writes it."""
        return f"${{{self.variable}}}"

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Take ``${NAME}`` from a file, or a reference from code; refuse everything else."""
        return core_schema.no_info_plain_validator_function(_parse)


def _parse(value: object) -> SecretReference:
    if isinstance(value, SecretReference):
        return value
    match = REFERENCE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise PydanticCustomError(
            "literal_secret",
            "a secret may not stand in the settings file; write ${NAME} here, export NAME in the "
            "environment, and treat what was written here as known to others",
        )
    return SecretReference(match.group(1))
