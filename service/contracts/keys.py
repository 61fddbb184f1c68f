"""API keys: who may use this installation, for what, and until when. A file per key in `<root>/keys`.

A key is `cdmt_<id>_<secret>`. The id may be seen by everybody; it names the key in lists and logs. Of the secret, 32
random bytes, only a SHA-256 is kept: a slow hash (Argon2, bcrypt) makes it hard to try out the passwords that people
choose, but nobody tries out 2^256 random ones, and every request would pay for it.

The file is read for every request, and nothing of it is remembered. So a key that has been revoked, by this process or
by another one, opens nothing from then on.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import logging
import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, TypeAlias, get_args

from pydantic import AfterValidator, AwareDatetime, Field, ValidationError

from model.spec.base import Spec
from service.contracts.durable import give_to_owner_of, write_file
from service.contracts.errors import EndedCredential, KeyEnded, NotFound, WrongCredential
from service.contracts.jobs import now

Scope = Literal["read", "generate", "train", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
KeyState = Literal["active", "expired", "revoked"]

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$"
DIGEST_PATTERN = r"^[0-9a-f]{64}$"
FILE_CALLER = "admin"  # of the key in CDMT_ADMIN_KEY_FILE: who had a key of this name would be the same caller
DEFAULT_DAYS, MAX_DAYS = 365, 3650
MAX_OVERLAP_HOURS = 30 * 24
SYSTEM = "system"  # in the audit log, the caller of what nobody asked for, such as the removal of an expired job
UNKNOWN = "this is no key of this installation"
_KEY = re.compile(r"cdmt_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")
_ID = re.compile(r"[0-9a-f]{12}")
_NO_DIGEST = "0" * 64

log = logging.getLogger(__name__)


def _not_reserved(name: str) -> str:
    if name == FILE_CALLER:
        raise ValueError(f"'{FILE_CALLER}' is the caller with the key in CDMT_ADMIN_KEY_FILE")
    if name == SYSTEM:
        raise ValueError(f"'{SYSTEM}' is the service itself in the audit log")
    return name


NewName = Annotated[str, Field(pattern=NAME_PATTERN), AfterValidator(_not_reserved)]
"""What the caller of a new key may be called. A key that was called so before keeps its name."""


class KeyRequest(Spec):
    """Who shall get a key, and for what."""

    name: NewName = Field(description="of the caller; keys of one name belong to one caller")
    scopes: tuple[Scope, ...] = Field(min_length=1, description="admin includes the others")
    days: int = Field(DEFAULT_DAYS, ge=0, le=MAX_DAYS, description="until it expires; 0: never")


class KeyRecord(Spec):
    """What is kept of a key: nothing that opens anything."""

    id: str
    name: str = Field(pattern=NAME_PATTERN, description="of the caller; keys of one name belong to one caller")
    scopes: tuple[Scope, ...] = Field(min_length=1)
    created_at: AwareDatetime
    expires_at: AwareDatetime | None = Field(None, description="absent: never")
    rotated_at: AwareDatetime | None = None
    revoked_at: AwareDatetime | None = None
    sha256: str = Field(pattern=DIGEST_PATTERN, description="of the whole key, in hex")
    previous_sha256: str = Field(
        _NO_DIGEST, pattern=DIGEST_PATTERN, description="of the key that it was before it was rotated"
    )
    previous_until: AwareDatetime | None = Field(None, description="how long that one is good, too")

    def state(self, at: datetime) -> KeyState:
        """Whether the key is good at a time."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= at else "active"


class NewKey(NamedTuple):
    """A key, which is shown now and never again, and its record."""

    key: str
    record: KeyRecord


Witness: TypeAlias = Callable[[KeyRecord], AbstractContextManager[None]]
"""Is told of a key as it will be, around its writing; what it raises before keeps the key as it is."""


def nobody(_record: KeyRecord) -> AbstractContextManager[None]:
    """The witness who sees nothing."""
    return nullcontext()


class ApiKeys:
    """The keys of an installation. Any number of processes may use them at the same time."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute() / "keys"
        if not self.root.exists():
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            give_to_owner_of(self.root.parent, self.root)

    def create(
        self, name: str, *, scopes: Iterable[str], days: int = DEFAULT_DAYS, witness: Witness = nobody
    ) -> NewKey:
        """A new key, on the disk when this returns; with `days` = 0, it does not expire.

        ValidationError for a name that no caller can have, for unknown scopes, and for none.
        """
        asked = KeyRequest.model_validate({"name": name, "scopes": tuple(dict.fromkeys(scopes)), "days": days})
        with self._alone():
            key_id = secrets.token_hex(6)
            while self._path(key_id).exists():
                key_id = secrets.token_hex(6)
            key = _new_key(key_id)
            record = KeyRecord(
                id=key_id,
                name=asked.name,
                scopes=asked.scopes,
                created_at=now(),
                expires_at=_in_days(asked.days),
                sha256=digest(key),
            )
            with witness(record):
                self._write(record)
        return NewKey(key, record)

    def rotate(
        self, key_id: str, *, overlap_hours: float = 0, days: int | None = None, witness: Witness = nobody
    ) -> NewKey:
        """The key with another secret; the old one is good for `overlap_hours` more. NotFound, KeyEnded.

        With `days`, it expires in so many days from now (0: never); else when it would have.
        """
        key = _new_key(key_id)

        def rotated(record: KeyRecord) -> KeyRecord:
            if record.state(now()) != "active":
                raise KeyEnded(f"key '{key_id}' is {record.state(now())}: make another one")
            changed = {
                "sha256": digest(key),
                "rotated_at": now(),
                "previous_sha256": record.sha256,
                "previous_until": now() + timedelta(hours=overlap_hours),
                "expires_at": record.expires_at if days is None else _in_days(days),
            }
            return record.model_copy(update=changed)

        return NewKey(key, self._change(key_id, rotated, witness))

    def revoke(self, key_id: str, *, witness: Witness = nobody) -> KeyRecord:
        """End a key: no request that begins after this returns gets in by it. Its record stays. NotFound."""
        return self._change(
            key_id,
            lambda record: record if record.revoked_at else record.model_copy(update={"revoked_at": now()}),
            witness,
        )

    def read(self, key_id: str) -> KeyRecord:
        """The record of a key; NotFound."""
        record = self._found(key_id) if _ID.fullmatch(key_id) else None
        if record is None:
            raise NotFound("key", key_id)
        return record

    def records(self) -> list[KeyRecord]:
        """The records of all keys, newest first; one that cannot be understood opens nothing and is left out."""
        found = (self._found(path.stem) for path in self.root.glob("*.json"))
        return sorted((record for record in found if record), key=lambda record: record.created_at, reverse=True)

    def are_any(self) -> bool:
        """Whether some key is good now."""
        return any(record.state(now()) == "active" for record in self.records())

    def holder(self, key_id: str, sha256: str) -> KeyRecord:
        """The record of the key of this id and digest. WrongCredential, EndedCredential.

        Takes the same time whether the id is unknown or the secret wrong, and wherever in the secret it is wrong.
        """
        record, at = self._found(key_id) or KeyRecord.model_validate_json(_DECOY), now()
        is_present = hmac.compare_digest(sha256, record.sha256)
        is_previous = hmac.compare_digest(sha256, record.previous_sha256)
        if not (is_present or is_previous):
            raise WrongCredential(UNKNOWN)
        if record.state(at) != "active":
            raise EndedCredential(f"this key ('{key_id}') is {record.state(at)}")
        if is_previous and not (record.previous_until is not None and at < record.previous_until):
            raise EndedCredential(f"this key ('{key_id}') was replaced by a new one")
        return record

    def _change(self, key_id: str, change: Callable[[KeyRecord], KeyRecord], witness: Witness) -> KeyRecord:
        with self._alone():
            record = change(self.read(key_id))
            with witness(record):
                self._write(record)
        return record

    def _found(self, key_id: str) -> KeyRecord | None:
        try:
            return KeyRecord.model_validate_json(self._path(key_id).read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError:
            log.error("the record of key '%s' is not valid; the key opens nothing", key_id)
            return None
        except OSError as error:
            log.error("the record of key '%s' cannot be read (errno %s); the key opens nothing", key_id, error.errno)
            return None

    def _write(self, record: KeyRecord) -> None:
        write_file(self._path(record.id), record.model_dump_json(indent=1).encode(), mode=0o600)
        give_to_owner_of(self.root, self._path(record.id))

    def _path(self, key_id: str) -> Path:
        return self.root / f"{key_id}.json"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else changes a key meanwhile."""
        descriptor = os.open(self.root, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def key_id_of(text: str) -> str | None:
    """The id in what looks like a key; None for what does not."""
    found = _KEY.fullmatch(text)
    return found[1] if found else None


def digest(key: str) -> str:
    """What is kept of a key: its SHA-256 in hex."""
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()


def _new_key(key_id: str) -> str:
    return f"cdmt_{key_id}_{secrets.token_urlsafe(32)}"


def _in_days(days: int) -> datetime | None:
    return now() + timedelta(days=days) if days else None


# Read in place of the record of an unknown key, so that it takes as long. Nobody has the key to it.
_DECOY = (
    KeyRecord(id=_NO_DIGEST[:12], name="nobody", scopes=("read",), created_at=now(), sha256=digest(secrets.token_hex()))
    .model_dump_json()
    .encode()
)
