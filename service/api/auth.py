"""Who is asking: somebody with a key of this installation, the admin's in a file, or a token of another's."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

from service.contracts.errors import BadKeyFile, Unauthorized, WrongCredential
from service.contracts.jobs import now
from service.contracts.key_files import read_key_file
from service.contracts.keys import FILE_CALLER, SCOPES, UNKNOWN, ApiKeys, Scope, digest, key_id_of

MIN_KEY_LENGTH = 32
KEY = re.compile(rf"[\x21-\x7e]{{{MIN_KEY_LENGTH},4096}}")
WANTED = f"a single line of at least {MIN_KEY_LENGTH} printable ASCII characters without blanks"

Way = Literal["off", "key", "key_file", "oidc"]


@dataclass(frozen=True)
class Credential:
    """By what somebody is known, so that it can be looked at again: never the key itself, only its digest."""

    sha256: str = field(repr=False)
    key_id: str | None

    @classmethod
    def of(cls, key: str) -> Credential:
        """That of a key."""
        return cls(sha256=digest(key), key_id=key_id_of(key))


@dataclass(frozen=True)
class Identity:
    """Who somebody is, how that is known, until when, and what they may do. `name` is None where nobody is asked."""

    name: str | None
    way: Way
    scopes: frozenset[Scope]
    credential: Credential | None = None
    expires_at: datetime | None = None


ANYBODY = Identity(name=None, way="off", scopes=frozenset({"read", "generate", "train"}))
"""Who asks where nobody is asked (CDMT_AUTH=off). What only admins may do needs a key even there."""


@dataclass(frozen=True)
class AdminKey:
    """The digest of the key, which itself is kept nowhere."""

    sha256: str = field(repr=False)

    @property
    def id(self) -> str:
        """By which one can see that it is another one."""
        return self.sha256[:12]

    def opens(self, sha256: str) -> bool:
        """Whether this is the key's digest; takes the same time whatever it is."""
        return hmac.compare_digest(sha256, self.sha256)


class TokenCheck(Protocol):
    """Knows the tokens of an identity provider."""

    def identify(self, token: str) -> Identity:
        """Who shows this token; AccessRefused."""


class Authenticator:
    """Tells who somebody is by what they show. Of keys it remembers nothing: what is revoked opens nothing any more."""

    def __init__(self, keys: ApiKeys, *, admin_key: AdminKey | None = None, tokens: TokenCheck | None = None) -> None:
        self.keys = keys
        self.admin_key = admin_key
        self._tokens = tokens

    def identify(self, token: str) -> Identity:
        """Who shows this key or token. WrongCredential, EndedCredential, ProviderUnavailable."""
        try:
            return self.check(Credential.of(token))
        except WrongCredential:
            if self._tokens is None or token.count(".") != 2:
                raise
        return self._tokens.identify(token)

    def check(self, credential: Credential) -> Identity:
        """Who is known by this credential, as things are now. WrongCredential, EndedCredential."""
        if self.admin_key is not None and self.admin_key.opens(credential.sha256):
            return Identity(FILE_CALLER, "key_file", frozenset(SCOPES), credential=credential)
        if credential.key_id is None:
            raise WrongCredential(UNKNOWN)
        record = self.keys.holder(credential.key_id, credential.sha256)
        scopes = frozenset(record.scopes)
        return Identity(record.name, "key", scopes, credential=credential, expires_at=record.expires_at)

    def is_still(self, identity: Identity) -> bool:
        """Whether somebody who was let in would be let in again with the same scopes."""
        if identity.expires_at is not None and identity.expires_at <= now():
            return False
        if identity.credential is None:
            return True
        try:
            return self.check(identity.credential).scopes == identity.scopes
        except Unauthorized:
            return False


def read_admin_key(path: Path | None, keys: ApiKeys) -> AdminKey | None:
    """The key in a file; None where no file is named. BadKeyFile, also if one of the `keys` has its caller's name."""
    if path is None:
        return None
    namesakes = [
        record.id for record in keys.records() if record.name == FILE_CALLER and record.state(now()) == "active"
    ]
    if namesakes:  # made by a version that did not refuse the name: both would be one caller
        raise BadKeyFile(
            f"CDMT_ADMIN_KEY_FILE: its caller is '{FILE_CALLER}', and so is that of key {', '.join(namesakes)}: "
            "cdmt keys revoke it, and make one of another name"
        )
    text = read_key_file(path, setting="CDMT_ADMIN_KEY_FILE").decode("ascii", errors="replace").strip()
    if not KEY.fullmatch(text):
        raise BadKeyFile(f"CDMT_ADMIN_KEY_FILE, '{path}': it does not hold {WANTED}")
    return AdminKey(digest(text))
