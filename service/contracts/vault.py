"""Files that are encrypted on the disk, and nowhere decrypted but in the memory.

A file is a header, then chunks of 64 KiB, each sealed with AES-256-GCM: the construction STREAM (Hoang, Reyhanitabar,
Rogaway and Vizar, CRYPTO 2015, section 7), as in age. The nonce of a chunk is its number and whether it is the last, so
that chunks cannot change places, be left out or be cut off. Each file has a key of its own, derived by HKDF-SHA256 from
one of the vault's and 32 random bytes in the header, so that no nonce is ever used twice with one key.

    header: "CDMTENC1", id of the key (8 bytes), salt (32 bytes)
    chunk:  up to 65,536 bytes, encrypted, and the tag (16 bytes)
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, Literal, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from model.spec.files import PLAIN, Files, Source
from service.contracts.errors import BadKeyFile, Undecryptable
from service.contracts.key_files import read_key_file

if TYPE_CHECKING:
    from typing_extensions import Buffer

MAGIC = b"CDMTENC1"
KEY_BYTES, ID_BYTES, SALT_BYTES, TAG_BYTES = 32, 8, 32, 16
HEADER_BYTES = len(MAGIC) + ID_BYTES + SALT_BYTES
CHUNK_BYTES = 1 << 16
SEALED_BYTES = CHUNK_BYTES + TAG_BYTES
WANTED = "lines of 64 hexadecimal digits, the first of them the key in use: openssl rand -hex 32"


@dataclass(frozen=True)
class Vault:
    """Encrypts with `key_id`; decrypts with any of its keys, and reads what is not encrypted as it is."""

    key_id: bytes
    keys: Mapping[bytes, bytes] = field(repr=False)

    @classmethod
    def of(cls, *keys: bytes) -> Vault:
        """A vault with these keys of 32 bytes each; the first encrypts."""
        by_id = {_derived(key, b"", b"cdmt key id", length=ID_BYTES): key for key in keys}
        return cls(next(iter(by_id)), by_id)

    def source(self, path: Path) -> Source:
        """The content of a file, decrypted while it is read. Undecryptable, by `open` or by reading."""
        return _Sealed(path, self)

    def create(self, path: Path) -> BinaryIO:
        """A new file that is encrypted while it is written, from the beginning to the end; FileExistsError."""
        salt = os.urandom(SALT_BYTES)
        file = path.open("xb")
        file.write(MAGIC + self.key_id + salt)
        return cast(BinaryIO, _Writer(file, self._cipher(self.key_id, salt)))

    def write(self, path: Path, content: bytes) -> None:
        """Replace a file in one step by one that is encrypted."""
        sealed = io.BytesIO()
        salt = os.urandom(SALT_BYTES)
        sealed.write(MAGIC + self.key_id + salt)
        writer = _Writer(sealed, self._cipher(self.key_id, salt), is_ours=False)
        writer.write(content)
        writer.close()
        PLAIN.write(path, sealed.getvalue())

    def is_up_to_date(self, path: Path) -> bool:
        """Whether a file is encrypted with the key in use."""
        return key_id_of(path) == self.key_id

    def opened(self, path: Path) -> io.BufferedReader:
        """A file to be read in any order."""
        file = path.open("rb")
        header = file.read(HEADER_BYTES)
        if not header.startswith(MAGIC):
            file.seek(0)
            return file
        key_id, salt = header[len(MAGIC) :][:ID_BYTES], header[len(MAGIC) + ID_BYTES :]
        if len(salt) < SALT_BYTES or key_id not in self.keys:
            file.close()
            raise Undecryptable(f"{path.name} is encrypted with a key that is not in CDMT_ENCRYPTION_KEY_FILE")
        return io.BufferedReader(_Reader(file, self._cipher(key_id, salt), path.name), CHUNK_BYTES)

    def _cipher(self, key_id: bytes, salt: bytes) -> AESGCM:
        return AESGCM(_derived(self.keys[key_id], salt, b"cdmt file"))


def key_id_of(path: Path) -> bytes | None:
    """The id of the key with which a file is encrypted; None for one that is plain."""
    with path.open("rb") as file:
        begin = file.read(len(MAGIC) + ID_BYTES)
    return begin[len(MAGIC) :] if begin.startswith(MAGIC) else None


def open_files(key_file: Path | None) -> Files:
    """Files as they shall lie on the disk: encrypted where a file with keys is named. BadKeyFile."""
    return PLAIN if key_file is None else read_vault(key_file)


def read_vault(key_file: Path) -> Vault:
    """The vault with the keys in a file; BadKeyFile."""
    lines = read_key_file(key_file, setting="CDMT_ENCRYPTION_KEY_FILE").decode("ascii", errors="replace").split()
    if not lines or not all(re.fullmatch(r"[0-9a-fA-F]{64}", line) for line in lines):
        raise BadKeyFile(f"CDMT_ENCRYPTION_KEY_FILE, '{key_file}': it does not hold {WANTED}")
    return Vault.of(*(bytes.fromhex(line) for line in lines))


@dataclass(frozen=True)
class _Sealed:
    path: Path
    vault: Vault

    def open(self, _mode: Literal["rb"], /) -> io.BufferedReader:
        return self.vault.opened(self.path)


class _Writer(io.RawIOBase):
    """Seals chunk by chunk. The last chunk is written by `close`: without it, a file is not whole."""

    def __init__(self, file: IO[bytes], cipher: AESGCM, *, is_ours: bool = True) -> None:
        self._file = file
        self._cipher = cipher
        self._is_ours = is_ours
        self._pending = bytearray()
        self._number = 0

    def writable(self) -> bool:
        return True

    def write(self, content: Buffer, /) -> int:
        self._pending += memoryview(content)
        full = (len(self._pending) - 1) // CHUNK_BYTES * CHUNK_BYTES  # the rest, if only a full chunk, may be the last
        for start in range(0, full, CHUNK_BYTES):
            self._seal(bytes(self._pending[start : start + CHUNK_BYTES]), is_last=False)
        if full > 0:
            del self._pending[:full]
        return memoryview(content).nbytes

    def tell(self) -> int:
        return self._number * CHUNK_BYTES + len(self._pending)

    def close(self) -> None:
        if self.closed:
            return
        try:
            self._seal(bytes(self._pending), is_last=True)
        finally:
            self._pending.clear()
            if self._is_ours:
                self._file.close()
            super().close()

    def _seal(self, chunk: bytes, *, is_last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._number, is_last=is_last), chunk, None))
        self._number += 1


class _Reader(io.RawIOBase):
    """Opens the chunks that are asked for."""

    def __init__(self, file: IO[bytes], cipher: AESGCM, name: str) -> None:
        self._file = file
        self._cipher = cipher
        self._name = name
        self._at = 0
        sealed = os.fstat(file.fileno()).st_size - HEADER_BYTES
        self._n_chunks = max(1, -(-sealed // SEALED_BYTES))
        self._size = sealed - self._n_chunks * TAG_BYTES
        self._open_chunk(self._n_chunks - 1)  # a file that was cut is not read at all

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        self._at = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence])
        return self._at

    def readinto(self, buffer: Buffer, /) -> int:
        view = memoryview(buffer).cast("B")
        if self._at >= self._size or not len(view):
            return 0
        number, start = divmod(self._at, CHUNK_BYTES)
        part = self._open_chunk(number)[start : start + len(view)]
        view[: len(part)] = part
        self._at += len(part)
        return len(part)

    def close(self) -> None:
        self._file.close()
        super().close()

    def _open_chunk(self, number: int) -> bytes:
        self._file.seek(HEADER_BYTES + number * SEALED_BYTES)
        sealed = self._file.read(SEALED_BYTES)
        try:
            return self._cipher.decrypt(_nonce(number, is_last=number == self._n_chunks - 1), sealed, None)
        except (InvalidTag, ValueError):
            raise Undecryptable(f"{self._name} is damaged: it is not what was encrypted") from None


def _nonce(number: int, *, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([is_last])


def _derived(key: bytes, salt: bytes, purpose: bytes, *, length: int = KEY_BYTES) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=purpose).derive(key)
