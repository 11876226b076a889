"""Who may send: the three ways in which a webhook proves that it knows the shared secret.

The Emarsys webhook node offers "JWT authentication" with a shared secret, without saying more;
assumed here is ``Authorization: Bearer`` with an HS256 token. Which header carries an HMAC or a key
differs between senders, so both names can be chosen.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import jwt

Method = Literal["jwt", "hmac", "header"]

# How far the clocks of sender and receiver may differ when a token says when it is valid.
LEEWAY_SECONDS = 300

DEFAULT_HEADERS: dict[Method, str] = {
    "jwt": "authorization",
    "hmac": "x-signature",
    "header": "x-api-key",
}


class SignatureError(Exception):
    """A request that does not prove to know the secret; the text may be sent back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """Checks requests to one endpoint against one shared secret.

    jwt: ``Authorization: Bearer <HS256 token>``. hmac: ``X-Signature: sha256=<hex>``, HMAC-SHA256
    over the raw body. header: ``X-API-Key: <the secret>``.
    """

    method: Method
    secret: str = field(repr=False)
    header: str | None = None

    def __post_init__(self) -> None:
        """Refuse an empty secret, which everybody knows."""
        if not self.secret:
            raise ValueError("the secret of a webhook may not be empty")

    def verify(self, headers: Mapping[str, str], body: bytes) -> None:
        """Return if the request is signed; ``headers`` finds names in lower case.

        Raises:
            SignatureError: it is not.
        """
        name = (self.header or DEFAULT_HEADERS[self.method]).lower()
        sent = headers.get(name)
        if sent is None:
            raise SignatureError(f"the header {name} is missing")
        if self.method == "jwt":
            self._verify_token(sent)
        elif self.method == "hmac":
            digest = hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()
            _require_equal(sent.strip().removeprefix("sha256=").lower(), digest, name)
        else:
            _require_equal(sent, self.secret, name)

    def _verify_token(self, sent: str) -> None:
        scheme, _, token = sent.partition(" ")
        if scheme.lower() != "bearer":
            raise SignatureError("the authorization header holds no bearer token")
        try:
            # One algorithm only: a token may not choose how it is checked. An audience is the
            # sender's affair, as no page says which it sends.
            jwt.decode(
                token.strip(),
                self.secret,
                algorithms=["HS256"],
                leeway=LEEWAY_SECONDS,
                options={"verify_aud": False},
            )
        except jwt.ExpiredSignatureError:
            raise SignatureError("the token has expired") from None
        except jwt.PyJWTError:
            raise SignatureError("the token is not valid") from None


def _require_equal(sent: str, expected: str, name: str) -> None:
    # Bytes, since compare_digest refuses text outside ASCII, which a header may hold.
    if not hmac.compare_digest(sent.encode("utf-8", "replace"), expected.encode()):
        raise SignatureError(f"the header {name} does not match")
