"""Which permissions of an API user work.

A probe never changes anything: it reads, or sends a request that Emarsys must reject for its
content, which it does only after it has found the permission. Permissions to write contacts are not
probed.
"""

from dataclasses import dataclass
from typing import Literal

from emarsys_pipeline.emarsys.endpoints import Endpoints
from emarsys_pipeline.emarsys.errors import (
    AuthenticationError,
    EmarsysError,
    PermissionMissingError,
    ReplyError,
    ServerError,
)
from emarsys_pipeline.emarsys.permission_list import PERMISSIONS, Permission
from emarsys_pipeline.emarsys.transport import Request, json_content


@dataclass(frozen=True, slots=True)
class PermissionProbe:
    """What a probe found; ``detail`` says why when it is unclear."""

    permission: Permission
    state: Literal["granted", "missing", "not probed", "unclear"]
    detail: str = ""


class PermissionCalls(Endpoints):
    """Probing permissions."""

    def probe_permissions(self) -> list[PermissionProbe]:
        """Which permissions work, in the order of ``PERMISSIONS``; changes nothing.

        Raises:
            AuthenticationError: the credentials themselves are refused.
        """
        return [self._probe(permission) for permission in PERMISSIONS]

    def _probe(self, permission: Permission) -> PermissionProbe:
        if not permission.method:
            return PermissionProbe(permission, "not probed")
        request = Request(
            method=permission.method,
            path=permission.path,
            query=permission.query,
            content=None if permission.body is None else json_content(permission.body),
            is_repeatable=True,
        )
        try:
            self._transport.call(request)
        except AuthenticationError:
            raise
        except PermissionMissingError:
            return PermissionProbe(permission, "missing")
        except ServerError as error:
            return PermissionProbe(permission, "unclear", str(error))
        except ReplyError:
            # refused for its content, which is looked at after the permission
            return PermissionProbe(permission, "granted")
        except EmarsysError as error:
            return PermissionProbe(permission, "unclear", str(error))
        return PermissionProbe(permission, "granted")
