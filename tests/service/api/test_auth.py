from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from service.api.auth import ANYBODY, AdminKey, Authenticator, read_admin_key
from service.contracts.durable import write_file
from service.contracts.errors import BadKeyFile, EndedCredential, WrongCredential
from service.contracts.jobs import now
from service.contracts.keys import SCOPES, ApiKeys, digest

KEY = "k3y-" + "x" * 40


@pytest.fixture
def authenticator(tmp_path: Path) -> Authenticator:
    return Authenticator(ApiKeys(tmp_path), admin_key=AdminKey(digest(KEY)))


def test_somebody_with_a_key(authenticator: Authenticator) -> None:
    key, record = authenticator.keys.create("ann", scopes=("train", "read"))
    found = authenticator.identify(key)
    assert (found.name, found.way) == ("ann", "key")
    assert found.scopes == {"read", "train"}
    assert found.credential is not None
    assert found.credential.key_id == record.id
    assert key not in repr(found)
    assert record.sha256 not in repr(found)


def test_the_admin_with_the_key_in_the_file(authenticator: Authenticator) -> None:
    found = authenticator.identify(KEY)
    assert (found.name, found.way) == ("admin", "key_file")
    assert found.scopes == set(SCOPES)


@pytest.mark.parametrize("token", ["", "nonsense", KEY[:-1], KEY + "x", "cdmt_0123456789ab_" + "x" * 43, "a.b.c", "ü"])
def test_anybody_else(authenticator: Authenticator, token: str) -> None:
    with pytest.raises(WrongCredential):
        authenticator.identify(token)


def test_without_a_file_there_is_no_such_admin(tmp_path: Path) -> None:
    with pytest.raises(WrongCredential):
        Authenticator(ApiKeys(tmp_path)).identify(KEY)


def test_who_was_let_in_is_asked_again(authenticator: Authenticator) -> None:
    keys = authenticator.keys
    (ann, record), (bob, _) = keys.create("ann", scopes=("read",)), keys.create("bob", scopes=("read",))
    let_in = [authenticator.identify(token) for token in (ann, bob, KEY)]
    assert all(authenticator.is_still(identity) for identity in (*let_in, ANYBODY))
    write_file(
        keys.root / f"{record.id}.json",
        record.model_copy(update={"expires_at": now() - timedelta(seconds=1)}).model_dump_json().encode(),
    )
    assert [authenticator.is_still(identity) for identity in let_in] == [False, True, True]
    with pytest.raises(EndedCredential):
        authenticator.identify(ann)


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 31, b"two words " * 9, "ü".encode() * 40, b"\x00" * 40])
def test_a_file_that_holds_no_key_is_refused_unquoted(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(BadKeyFile, match="at least 32") as caught:
        read_admin_key(tmp_path / "key", ApiKeys(tmp_path))
    assert not content or content.decode(errors="replace") not in str(caught.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadKeyFile, match="No such file"):
        read_admin_key(tmp_path / "key", ApiKeys(tmp_path))


def test_the_key_in_the_file_is_not_kept_in_the_clear(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"  {KEY}\r\n")
    key = read_admin_key(tmp_path / "key", ApiKeys(tmp_path))
    assert key is not None
    assert KEY not in repr(key)
    assert key.opens(digest(KEY))
    assert not key.opens(digest("nonsense"))


def test_a_key_with_the_name_of_the_admin_in_the_file_is_refused_until_it_is_revoked(tmp_path: Path) -> None:
    """A version that did not refuse the name may have made it."""
    (tmp_path / "key").write_text(KEY)
    keys = ApiKeys(tmp_path)
    record = keys.create("ann", scopes=["read"]).record
    write_file(keys.root / f"{record.id}.json", record.model_copy(update={"name": "admin"}).model_dump_json().encode())
    with pytest.raises(BadKeyFile, match=record.id):
        read_admin_key(tmp_path / "key", keys)
    keys.revoke(record.id)
    assert read_admin_key(tmp_path / "key", keys) is not None
