"""The head of the audit log: how far it has come, in a file of its own, so that a cut at the end is seen.

With a key, the head is signed (HMAC-SHA256): who can write the files but has not the key cannot make another one.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path

from pydantic import Field, ValidationError

from model.spec.base import Spec
from service.contracts.durable import give_to_owner_of, write_file
from service.contracts.errors import AuditUnavailable, BadKeyFile
from service.contracts.key_files import read_key_file

FILE = "head.json"
MIN_KEY_BYTES = 32
SECTOR_BYTES = 512
DAMAGED = "run `cdmt audit verify`"


class Head(Spec):
    """The log has `count` entries, the last of which has this hash and ends `size` bytes into `file`."""

    count: int = Field(ge=0)
    hash: str = Field(pattern="^[0-9a-f]{64}$")
    file: str = Field(pattern=r"^audit-[0-9]{12}\.jsonl$")
    size: int = Field(ge=0)
    mac: str | None = Field(None, description="hex; null where there is no key")

    def can_become(self, later: Head | None) -> bool:
        """Whether `later` can be the head of the same log at a later time."""
        return later is not None and (later.count > self.count or (later.count, later.hash) == (self.count, self.hash))

    def signed(self, key: bytes | None) -> Head:
        """The same head, vouched for by `key`."""
        return self.model_copy(update={"mac": None if key is None else self._mac(key)})

    def is_vouched_for(self, key: bytes) -> bool:
        """Whether who signed it had the key."""
        return self.mac is not None and hmac.compare_digest(self.mac, self._mac(key))

    def _mac(self, key: bytes) -> str:
        return hmac.digest(key, self.model_dump_json(exclude={"mac"}).encode(), hashlib.sha256).hex()


def read_head(folder: Path, key: bytes | None) -> Head | None:
    """The head in `folder`; None if there is none. AuditUnavailable if it is not one, or not signed with the `key`."""
    try:
        head = Head.model_validate_json((folder / FILE).read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        raise AuditUnavailable(f"{FILE} is not the head of an audit log; {DAMAGED}") from None
    if key is not None and not head.is_vouched_for(key):
        raise AuditUnavailable(
            f"{FILE} is not signed with the key in CDMT_AUDIT_KEY_FILE; {DAMAGED}, or sign if the key is new"
        )
    return head


def write_head(folder: Path, head: Head) -> None:
    """Make this the head; it is on the disk when this returns.

    It is written over the former one, in one sector, which a disk writes whole or not at all. Another file that takes
    its place would cost three times as much, and needs space on the disk.
    """
    content = head.model_dump_json().encode().ljust(SECTOR_BYTES - 1) + b"\n"
    try:
        descriptor = os.open(folder / FILE, os.O_WRONLY)
    except FileNotFoundError:
        write_file(folder / FILE, content, mode=0o600)
        give_to_owner_of(folder, folder / FILE)
        return
    try:
        os.pwrite(descriptor, content, 0)
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def read_key(path: Path | None) -> bytes | None:
    """The key in a file; None where no file is named. BadKeyFile."""
    if path is None:
        return None
    key = read_key_file(path, setting="CDMT_AUDIT_KEY_FILE").strip()
    if len(key) < MIN_KEY_BYTES:
        raise BadKeyFile(f"CDMT_AUDIT_KEY_FILE, '{path}': it holds fewer than {MIN_KEY_BYTES} bytes")
    return key
