"""Only who knows the secret gets in."""

import hashlib
import hmac
import time

import jwt
import pytest

from emarsys_pipeline.inbox.signatures import Method, SignatureError, Verifier

SECRET = "a secret of at least thirty-two bytes"
BODY = b'{"status":"granted"}'


def digest(secret: str = SECRET, body: bytes = BODY) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def token(secret: str = SECRET, algorithm: str = "HS256", **claims: object) -> str:
    return f"Bearer {jwt.encode(claims, secret, algorithm=algorithm)}"


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        pytest.param("hmac", {"x-signature": f"sha256={digest()}"}, id="hmac"),
        pytest.param("hmac", {"x-signature": digest().upper()}, id="hmac without prefix"),
        pytest.param("header", {"x-api-key": SECRET}, id="key"),
        pytest.param("jwt", {"authorization": token(iat=time.time() - 1e6)}, id="lasting token"),
        pytest.param("jwt", {"authorization": token(aud="charles")}, id="token for an audience"),
    ],
)
def test_a_signed_request_passes(method: Method, headers: dict[str, str]) -> None:
    Verifier(method=method, secret=SECRET).verify(headers, BODY)


@pytest.mark.parametrize("seconds", [60, -60], ids=["valid", "clock off"])
def test_a_token_that_is_about_to_expire_passes(seconds: float) -> None:
    headers = {"authorization": token(exp=time.time() + seconds)}
    Verifier(method="jwt", secret=SECRET).verify(headers, BODY)


@pytest.mark.parametrize(
    ("method", "headers", "reason"),
    [
        pytest.param("hmac", {}, "the header x-signature is missing", id="no hmac"),
        pytest.param(
            "hmac",
            {"x-signature": digest(body=b"{}")},
            "the header x-signature does not match",
            id="hmac of another body",
        ),
        pytest.param(
            "hmac",
            {"x-signature": digest(secret="other")},
            "the header x-signature does not match",
            id="hmac by another secret",
        ),
        pytest.param(
            "hmac", {"x-signature": "é"}, "the header x-signature does not match", id="not ASCII"
        ),
        pytest.param("header", {"x-api-key": ""}, "the header x-api-key does not match", id="key"),
        pytest.param(
            "jwt", {"authorization": token("x" * 32)}, "the token is not valid", id="wrong secret"
        ),
        pytest.param(
            "jwt",
            {"authorization": token(exp=time.time() - 3600)},
            "the token has expired",
            id="expired",
        ),
        pytest.param(
            "jwt",
            {"authorization": f"Bearer {jwt.encode({}, '', algorithm='none')}"},
            "the token is not valid",
            id="unsigned",
        ),
        pytest.param(
            "jwt",
            {"authorization": token("x" * 64, "HS512")},
            "the token is not valid",
            id="other algorithm",
        ),
        pytest.param(
            "jwt",
            {"authorization": "Basic abc"},
            "the authorization header holds no bearer token",
            id="no bearer",
        ),
    ],
)
def test_an_unsigned_request_is_refused_with_its_reason(
    method: Method, headers: dict[str, str], reason: str
) -> None:
    with pytest.raises(SignatureError) as caught:
        Verifier(method=method, secret=SECRET).verify(headers, BODY)
    assert str(caught.value) == reason


def test_the_header_can_be_chosen() -> None:
    verifier = Verifier(method="header", secret=SECRET, header="Api-Key")
    verifier.verify({"api-key": SECRET}, BODY)


def test_the_secret_is_not_shown_and_not_empty() -> None:
    assert SECRET not in repr(Verifier(method="hmac", secret=SECRET))
    with pytest.raises(ValueError, match="may not be empty"):
        Verifier(method="hmac", secret="")
