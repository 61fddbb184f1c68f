"""Bearer tokens of the hospital's identity provider (OpenID Connect; JWT, RFC 7519 and 9068)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import jwt

from service.api.auth import Identity
from service.api.jwks import KeySet, reader_of
from service.contracts.errors import EndedCredential, WrongCredential
from service.contracts.keys import Scope
from service.contracts.settings import Settings

LEEWAY_SECONDS = 30  # by which clocks may differ
PREFIX = "oidc:"  # no name of a key has a colon, so nobody with a key is taken for somebody with a token
MAX_SUBJECT = 255
REQUIRED = ["exp", "iat", "iss", "aud", "sub"]


class Tokens:
    """Tells who somebody is by a token of one issuer, for one audience."""

    def __init__(
        self, keys: KeySet, *, issuer: str, audience: str, roles_claim: str, roles: Mapping[str, frozenset[Scope]]
    ) -> None:
        """`roles` says which scopes a role gives; one that is not in it gives none."""
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._roles_claim = roles_claim
        self._roles = roles

    def identify(self, token: str) -> Identity:
        """Who shows this token. WrongCredential, EndedCredential, ProviderUnavailable."""
        try:
            claims = self._claims(token)
            expires_at = datetime.fromtimestamp(claims["exp"], UTC)
        except jwt.ExpiredSignatureError:
            raise EndedCredential("this token has expired") from None
        except jwt.ImmatureSignatureError:
            raise EndedCredential("this token is not good yet") from None
        except (jwt.PyJWTError, ValueError, TypeError, ArithmeticError, RecursionError, OSError):
            raise WrongCredential("this token is not one that is accepted here") from None
        subject = claims["sub"]
        if not (0 < len(subject) <= MAX_SUBJECT and subject.isprintable()):
            raise WrongCredential("the subject of this token cannot be a caller's name")
        return Identity(PREFIX + subject, "oidc", self._scopes(claims), expires_at=expires_at)

    def _claims(self, token: str) -> dict[str, Any]:
        """What the token says, once its signature, issuer, audience and times have been checked."""
        key = self._keys.find(jwt.get_unverified_header(token).get("kid"))
        claims: dict[str, Any] = jwt.decode(
            token,
            key.key,
            algorithms=key.algorithms,
            issuer=self._issuer,
            audience=self._audience,
            leeway=LEEWAY_SECONDS,
            options={"require": REQUIRED},
        )
        return claims

    def _scopes(self, claims: dict[str, Any]) -> frozenset[Scope]:
        roles = _claim(claims, self._roles_claim)
        names = roles.split() if isinstance(roles, str) else roles if isinstance(roles, list) else []
        given = (self._roles.get(name, frozenset()) for name in names if isinstance(name, str))
        return frozenset().union(*given)


def tokens_of(settings: Settings) -> Tokens | None:
    """How tokens are checked by these settings; None where none are accepted."""
    if settings.oidc_issuer is None:
        return None
    assert settings.oidc_audience is not None and settings.oidc_jwks is not None  # noqa: PT018  the settings see to it
    return Tokens(
        KeySet(reader_of(settings.oidc_jwks)),
        issuer=settings.oidc_issuer,
        audience=settings.oidc_audience,
        roles_claim=settings.oidc_roles_claim,
        roles=settings.scopes_by_role,
    )


def _claim(claims: dict[str, Any], name: str) -> object:
    """The claim of this name, which may be a URL; else what its parts between dots lead to."""
    if name in claims:
        return claims[name]
    here: object = claims
    for part in name.split("."):
        here = here.get(part) if isinstance(here, dict) else None
    return here
