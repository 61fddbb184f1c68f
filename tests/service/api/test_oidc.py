"""Tokens of an identity provider: real keys, a real JWK Set, and forgeries of every kind."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from redis import Redis

from service.api.app import create_app
from service.api.jwks import KeySet
from service.api.oidc import Tokens
from service.contracts.errors import EndedCredential, WrongCredential
from service.contracts.keys import Scope
from service.contracts.settings import Settings
from service.contracts.storage import ArtifactStore
from tests.service.api.conftest import serving
from tests.service.api.test_bad_input import check_problem
from tests.service.making import add_job

ISSUER, AUDIENCE = "https://login.example.org/realms/icu", "cdmt"
ROLES: dict[str, frozenset[Scope]] = {"researcher": frozenset({"read", "generate"}), "chief": frozenset({"admin"})}
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
ALGORITHMS: dict[str, Any] = {
    "rsa": jwt.algorithms.RSAAlgorithm,
    "ec": jwt.algorithms.ECAlgorithm,
    "ed": jwt.algorithms.OKPAlgorithm,
}


def public(kid: str, key: Any, **more: str) -> dict[str, Any]:
    """The entry of a key in a JWK Set."""
    entry: dict[str, Any] = json.loads(ALGORITHMS[kid.partition("-")[0]].to_jwk(key.public_key()))
    return {**entry, "kid": kid, "use": "sig"} | more


JWKS = {"keys": [public("rsa", RSA), public("ec", EC), public("ed", ED)]}


def claims(**change: object) -> dict[str, Any]:
    now = int(time.time())
    given = {"iss": ISSUER, "aud": AUDIENCE, "sub": "7f3a", "iat": now, "exp": now + 300, "roles": ["researcher"]}
    return {name: value for name, value in (given | change).items() if value is not None}


def token(key: Any = RSA, algorithm: str = "RS256", kid: str | None = "rsa", **change: object) -> str:
    return jwt.encode(claims(**change), key, algorithm, headers={"kid": kid} if kid else {})


def part(content: bytes | dict[str, Any]) -> str:
    """A part of a token, made by hand."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def tokens(jwks: dict[str, Any] = JWKS, *, roles_claim: str = "roles") -> Tokens:
    keys = KeySet(lambda: json.dumps(jwks).encode())
    return Tokens(keys, issuer=ISSUER, audience=AUDIENCE, roles_claim=roles_claim, roles=ROLES)


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"),
    [(RSA, "RS256", "rsa"), (RSA, "PS256", "rsa"), (EC, "ES256", "ec"), (ED, "EdDSA", "ed")],
)
def test_who_it_is(key: Any, algorithm: str, kid: str) -> None:
    found = tokens().identify(token(key, algorithm, kid))
    assert (found.name, found.way) == ("oidc:7f3a", "oidc")
    assert found.scopes == {"read", "generate"}
    assert found.expires_at is not None
    assert 0 < found.expires_at.timestamp() - time.time() <= 300


def unsigned(algorithm: str) -> str:
    return f"{part({'alg': algorithm, 'typ': 'JWT', 'kid': 'rsa'})}.{part(claims(roles=['chief']))}."


def symmetric(secret: bytes) -> str:
    """Signed by HS256 with what everybody can have: the public key."""
    signed = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': 'rsa'})}.{part(claims(roles=['chief']))}"
    return f"{signed}.{part(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


def pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def another_payload() -> str:
    head, _, signature = token().split(".")
    return f"{head}.{part(claims(roles=['chief']))}.{signature}"


def with_own_key() -> str:
    """The header brings the key along by which the signature is right."""
    own = public("rsa", OTHER_RSA)
    return jwt.encode(claims(), OTHER_RSA, "RS256", headers={"kid": "rsa", "jwk": own})


FORGERIES: dict[str, Callable[[], str]] = {
    "no algorithm": lambda: unsigned("none"),
    "no algorithm, in capitals": lambda: unsigned("NONE"),
    "an algorithm and no signature": lambda: unsigned("RS256"),
    "HS256 with the public key in PEM": lambda: symmetric(pem(RSA)),
    "HS256 with the public key as JWK": lambda: symmetric(json.dumps(JWKS["keys"][0]).encode()),
    "HS256 with nothing": lambda: symmetric(b""),
    "another key": lambda: token(OTHER_RSA),
    "a key that comes along": with_own_key,
    "a key that another site has": lambda: jwt.encode(
        claims(), OTHER_RSA, "RS256", headers={"kid": "rsa", "jku": "https://evil.example.org/jwks"}
    ),
    "an unknown key": lambda: token(OTHER_RSA, kid="another"),
    "no key of several": lambda: token(kid=None),
    "another key of the provider's": lambda: token(EC, "ES256", "rsa"),
    "another algorithm": lambda: token(algorithm="RS512"),
    "another payload": another_payload,
    "another audience": lambda: token(aud="another-service"),
    "no audience": lambda: token(aud=None),
    "another issuer": lambda: token(iss="https://login.example.org/realms/other"),
    "no issuer": lambda: token(iss=None),
    "no end": lambda: token(exp=None),
    "no beginning": lambda: token(iat=None),
    "nobody": lambda: token(sub=None),
    "an empty name": lambda: token(sub=""),
    "a long name": lambda: token(sub="x" * 256),
    "a name with a line break": lambda: token(sub="ann\nadmin"),
    "a name that is a number": lambda: token(sub=7),
    "an end that is a word": lambda: token(exp="never"),
    "what must be understood": lambda: jwt.encode(
        claims(), RSA, "RS256", headers={"kid": "rsa", "crit": ["urn:example:more"], "urn:example:more": 1}
    ),
    "no JSON": lambda: f"{part(b'{')}.{part(b'{')}.{part(b'x')}",
    "a list": lambda: f"{part(b'[]')}.{part(b'[]')}.{part(b'x')}",
    "deep JSON": lambda: f"{part(b'[' * 20_000)}.{part(b'[' * 20_000)}.{part(b'x')}",
    "no base64": lambda: "a.b!.c",
    "dots": lambda: "..",
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery(name: str) -> None:
    with pytest.raises(WrongCredential):
        tokens().identify(FORGERIES[name]())


def test_its_time() -> None:
    now = int(time.time())
    past: list[dict[str, Any]] = [{"exp": now - 60, "iat": now - 600}, {"nbf": now + 60}, {"iat": now + 60}]
    for change in past:
        with pytest.raises(EndedCredential):
            tokens().identify(token(**change))
    near: list[dict[str, Any]] = [{"exp": now - 10}, {"nbf": now + 10}, {"iat": now + 10}]  # clocks differ
    for change in near:
        assert tokens().identify(token(**change)).name == "oidc:7f3a"


@pytest.mark.parametrize(
    ("claim", "given", "scopes"),
    [
        ("roles", {"roles": ["researcher", "chief"]}, {"read", "generate", "admin"}),
        ("roles", {"roles": ["janitor"]}, set()),
        ("roles", {"roles": None}, set()),
        ("roles", {"roles": {"researcher": True}}, set()),
        ("roles", {"roles": [7, None, ["chief"]]}, set()),
        ("roles", {"roles": ["admin", "read"]}, set()),  # their words are not ours
        ("scope", {"scope": "openid researcher"}, {"read", "generate"}),
        ("realm_access.roles", {"realm_access": {"roles": ["chief"]}}, {"admin"}),
        ("https://icu.example.org/roles", {"https://icu.example.org/roles": ["chief"]}, {"admin"}),
    ],
)
def test_what_its_roles_allow(claim: str, given: dict[str, Any], scopes: set[str]) -> None:
    assert set(tokens(roles_claim=claim).identify(token(**given)).scopes) == scopes


def test_over_http_a_token_is_as_good_as_a_key(tmp_path: Path, valkey_url: str, redis: Redis) -> None:
    (tmp_path / "jwks.json").write_text(json.dumps(JWKS))  # from a file, as in a network without a way out
    settings = Settings(
        data_dir=tmp_path / "var",
        auth="keys",
        oidc_issuer=ISSUER,
        oidc_audience=AUDIENCE,
        oidc_jwks=str(tmp_path / "jwks.json"),
        oidc_roles="researcher=read+generate, chief=admin",
    )
    store = ArtifactStore(settings.data_dir)
    add_job(store, "job-1", caller="oidc:7f3a")
    add_job(store, "job-2", caller="7f3a")
    with serving(create_app(settings, redis_url=valkey_url)) as client:

        def get(path: str, shown: str) -> Any:
            return client.get(path, headers={"Authorization": f"Bearer {shown}"})

        me = get("/session", token()).json()
        assert (me["name"], me["way"], me["scopes"]) == ("oidc:7f3a", "oidc", ["read", "generate"])
        assert [job["id"] for job in get("/jobs", token()).json()["items"]] == ["job-1"]
        assert len(get("/jobs", token(roles=["chief"])).json()["items"]) == 2
        check_problem(get("/keys", token()), 403, "'admin'")
        check_problem(get("/jobs", token(roles=[])), 403, "you have none")
        check_problem(get("/jobs", token(exp=int(time.time()) - 60)), 401, "expired")
        for shown in (unsigned("none"), symmetric(pem(RSA)), token(OTHER_RSA)):
            refused = get("/jobs", shown)
            problem = check_problem(refused, 401)
            assert refused.headers["www-authenticate"] == "Bearer"
            assert shown not in json.dumps(problem)


def test_the_provider_may_be_away(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path / "var",
        auth="keys",
        oidc_issuer=ISSUER,
        oidc_audience=AUDIENCE,
        oidc_jwks=str(tmp_path / "absent"),
        oidc_roles="chief=admin",
    )
    app = create_app(settings, redis_url="redis://127.0.0.1:1")
    with serving(app) as client:
        away = client.get("/jobs", headers={"Authorization": f"Bearer {token()}"})
        check_problem(away, 503)
        assert "retry-after" in away.headers
        key = app.state.services.authenticator.keys.create("ann", scopes=("read",)).key
        assert client.get("/jobs", headers={"Authorization": f"Bearer {key}"}).is_success
