"""What is encrypted comes back as it was, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given, settings
from hypothesis import strategies as st

from service.contracts.errors import BadKeyFile, Undecryptable
from service.contracts.vault import CHUNK_BYTES, HEADER_BYTES, SEALED_BYTES, Vault, open_files, read_vault

KEY, OTHER = bytes(range(32)), bytes(32)
SIZES = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES, 3 * CHUNK_BYTES + 7]


@pytest.fixture
def vault() -> Vault:
    return Vault.of(KEY)


def read(vault: Vault, path: Path) -> bytes:
    with vault.source(path).open("rb") as file:
        return file.read()


@pytest.mark.parametrize("size", SIZES)
def test_what_is_written_is_read(vault: Vault, tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    vault.write(tmp_path / "a", content)
    with vault.create(tmp_path / "b") as file:
        for start in range(0, size, 50_000):
            file.write(content[start : start + 50_000])
    for name in ("a", "b"):
        assert read(vault, tmp_path / name) == content
        sealed = (tmp_path / name).read_bytes()
        assert len(sealed) == HEADER_BYTES + size + 16 * max(1, -(-size // CHUNK_BYTES))
        assert content == b"" or content[:24] not in sealed or size < 24
    assert (tmp_path / "a").read_bytes() != (tmp_path / "b").read_bytes()


def test_a_file_by_hand(vault: Vault, tmp_path: Path) -> None:
    content = b"\x00" * CHUNK_BYTES + b"the end"
    vault.write(tmp_path / "a", content)
    sealed = (tmp_path / "a").read_bytes()

    def derived(salt: bytes, purpose: bytes, length: int) -> bytes:
        return HKDF(algorithm=SHA256(), length=length, salt=salt, info=purpose).derive(KEY)

    assert sealed[:16] == b"CDMTENC1" + derived(b"", b"cdmt key id", 8)
    cipher = AESGCM(derived(sealed[16:48], b"cdmt file", 32))
    first, last = sealed[48 : 48 + SEALED_BYTES], sealed[48 + SEALED_BYTES :]
    assert cipher.decrypt(b"\x00" * 12, first, None) == b"\x00" * CHUNK_BYTES
    assert cipher.decrypt(b"\x00" * 10 + b"\x01\x01", last, None) == b"the end"


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3 * CHUNK_BYTES), st.integers(0, 2 * CHUNK_BYTES)), max_size=8))
def test_it_is_read_in_any_order(tmp_path_factory: pytest.TempPathFactory, places: list[tuple[int, int]]) -> None:
    vault, path = Vault.of(KEY), tmp_path_factory.mktemp("vault") / "a"
    content = bytes(i % 251 for i in range(2 * CHUNK_BYTES + 1000))
    vault.write(path, content)
    with vault.source(path).open("rb") as file:
        assert file.seek(0, os.SEEK_END) == len(content)
        for start, length in places:
            file.seek(start)
            assert file.read(length) == content[start : start + length]


def tampered(sealed: bytes) -> dict[str, bytes]:
    body = sealed[HEADER_BYTES:]
    chunks = [body[i : i + SEALED_BYTES] for i in range(0, len(body), SEALED_BYTES)]
    header = sealed[:HEADER_BYTES]
    flipped = bytearray(sealed)
    flipped[HEADER_BYTES + 100] ^= 1
    return {
        "a flipped bit": bytes(flipped),
        "another salt": header[:-1] + bytes([header[-1] ^ 1]) + body,
        "chunks that changed places": header + chunks[1] + chunks[0] + chunks[2],
        "a chunk that is gone": header + chunks[0] + chunks[2],
        "a chunk twice": header + chunks[0] + chunks[0] + chunks[1] + chunks[2],
        "a cut at a chunk": header + chunks[0] + chunks[1],
        "a cut in a chunk": sealed[:-1],
        "a byte too many": sealed + b"\x00",
        "nothing but the header": header,
        "half a header": header[:20],
    }


@pytest.mark.parametrize("how", tampered(bytes(HEADER_BYTES + 3 * SEALED_BYTES)))
def test_what_was_altered_is_not_read(vault: Vault, tmp_path: Path, how: str) -> None:
    path = tmp_path / "a"
    vault.write(path, os.urandom(2 * CHUNK_BYTES + 10))
    path.write_bytes(tampered(path.read_bytes())[how])
    with pytest.raises(Undecryptable):
        read(vault, path)


def test_a_key_that_is_replaced_still_decrypts(tmp_path: Path) -> None:
    old, new = Vault.of(KEY), Vault.of(OTHER, KEY)
    old.write(tmp_path / "a", b"a table")
    assert read(new, tmp_path / "a") == b"a table"
    assert not new.is_up_to_date(tmp_path / "a")
    with pytest.raises(Undecryptable, match="not in CDMT_ENCRYPTION_KEY_FILE"):
        read(Vault.of(OTHER), tmp_path / "a")


def test_what_is_plain_is_read_as_it_is(vault: Vault, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"PAR1")
    assert read(vault, tmp_path / "a") == b"PAR1"


def test_a_write_that_is_not_closed_leaves_no_whole_file(vault: Vault, tmp_path: Path) -> None:
    file = vault.create(tmp_path / "a")
    file.write(b"x" * (2 * CHUNK_BYTES))
    file.flush()
    with pytest.raises(Undecryptable):
        read(vault, tmp_path / "a")
    file.close()


@pytest.mark.parametrize("text", ["", "abc", KEY.hex()[:-1], KEY.hex() + " " + "zz" * 32])
def test_what_is_no_key(tmp_path: Path, text: str) -> None:
    (tmp_path / "key").write_text(text)
    with pytest.raises(BadKeyFile) as caught:
        read_vault(tmp_path / "key")
    assert KEY.hex()[40:] not in str(caught.value)


def test_keys_are_shown_nowhere(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY.hex()}\n{OTHER.hex()}\n")
    vault = open_files(tmp_path / "key")
    assert repr(KEY) not in repr(vault)
    assert KEY.hex() not in repr(vault)
    with pytest.raises(BadKeyFile, match="No such file"):
        open_files(tmp_path / "absent")
