"""OAuth2 client credentials of API v3: the token endpoint and bearer tokens."""

from __future__ import annotations

import base64
import binascii
import hmac
import time
from typing import Any
from urllib.parse import parse_qs, unquote

import jwt

from emarsys_pipeline.sandbox.replies import ApiError, Reply, json_reply
from emarsys_pipeline.sandbox.state import State

_ALGORITHM = "HS256"


def _signing_key(state: State) -> str:
    return str(state.setting("token_key"))


def _client_of(authorization: str | None) -> tuple[str, str] | None:
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    client_id, _, client_secret = text.partition(":")
    return unquote(client_id), unquote(client_secret)


def issue_token(state: State, authorization: str | None, raw_body: bytes) -> Reply:
    """Answer ``POST /oauth2/token``: client by Basic authentication or in the form."""
    form = {name: values[0] for name, values in parse_qs(raw_body.decode("latin-1")).items()}
    client = _client_of(authorization) or (form.get("client_id", ""), form.get("client_secret", ""))
    secret = (state.setting("oauth_secrets") or {}).get(client[0])
    if secret is None or not hmac.compare_digest(secret.encode(), client[1].encode()):
        return json_reply({"error": "invalid_client"}, 401)
    if form.get("grant_type") != "client_credentials":
        return json_reply({"error": "unsupported_grant_type"}, 400)
    lifetime = int(state.setting("token_lifetime_seconds"))
    now = int(time.time())
    claims: dict[str, Any] = {
        "sub": client[0],
        "iat": now,
        "exp": now + lifetime,
        "generation": state.setting("token_generation") or 0,
    }
    token = jwt.encode(claims, _signing_key(state), algorithm=_ALGORITHM)
    return json_reply({"access_token": token, "token_type": "bearer", "expires_in": lifetime})


def revoke_tokens(state: State) -> None:
    """Make every token that was issued so far invalid."""
    generation = int(state.setting("token_generation") or 0) + 1
    state.save_settings({"token_generation": generation})


def authenticate(state: State, authorization: str | None) -> str:
    """Return the client id that a bearer token proves.

    Raises:
        ApiError: 401 for a missing, malformed, expired or revoked token.
    """
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer":
        raise ApiError(401, 1, "Unauthorized")
    try:
        claims = jwt.decode(token.strip(), _signing_key(state), algorithms=[_ALGORITHM])
    except jwt.InvalidTokenError as error:
        raise ApiError(401, 1, "Unauthorized") from error
    if claims.get("generation") != (state.setting("token_generation") or 0):
        raise ApiError(401, 1, "Unauthorized")
    return str(claims["sub"])
