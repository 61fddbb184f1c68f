from __future__ import annotations

import hashlib
import hmac
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from service.contracts.durable import write_file
from service.contracts.errors import EndedCredential, KeyEnded, NotFound, WrongCredential
from service.contracts.jobs import now
from service.contracts.keys import ApiKeys, KeyRecord, NewKey, digest, key_id_of


@pytest.fixture
def keys(tmp_path: Path) -> ApiKeys:
    return ApiKeys(tmp_path)


@pytest.fixture
def ann(keys: ApiKeys) -> NewKey:
    return keys.create("ann", scopes=("read", "generate"))


def opens(keys: ApiKeys, key: str) -> KeyRecord:
    key_id = key_id_of(key)
    assert key_id is not None
    return keys.holder(key_id, digest(key))


def rewrite(keys: ApiKeys, record: KeyRecord, **change: object) -> None:
    write_file(keys.root / f"{record.id}.json", record.model_copy(update=change).model_dump_json().encode())


def test_a_key_opens_and_says_whose_it_is(keys: ApiKeys, ann: NewKey) -> None:
    found = opens(ApiKeys(keys.root.parent), ann.key)
    assert (found.name, found.scopes, found.id) == ("ann", ("read", "generate"), key_id_of(ann.key))
    assert found == ann.record
    assert ann.record.expires_at is not None
    assert ann.record.expires_at - ann.record.created_at == pytest.approx(timedelta(days=365), abs=timedelta(minutes=1))


def test_its_secret_has_256_bits_and_none_is_like_another(keys: ApiKeys) -> None:
    made = [keys.create("ann", scopes=("read",)).key for _ in range(20)]
    secrets = {key.split("_", 2)[2] for key in made}
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", secret) for secret in secrets)  # 32 bytes in base64
    assert len(secrets) == len({key_id_of(key) for key in made}) == 20


def test_it_is_kept_as_a_digest_in_a_file_for_us_alone(keys: ApiKeys, ann: NewKey) -> None:
    (path,) = keys.root.iterdir()
    text = path.read_text()
    assert ann.key.split("_", 2)[2] not in text
    assert hashlib.sha256(ann.key.encode()).hexdigest() in text
    assert (path.stat().st_mode & 0o777, keys.root.stat().st_mode & 0o777) == (0o600, 0o700)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_makes_is_the_service_s(tmp_path: Path) -> None:
    os.chown(tmp_path, 10001, 10002)
    keys = ApiKeys(tmp_path)
    keys.revoke(keys.create("ann", scopes=("read",)).record.id)
    (path,) = keys.root.iterdir()
    for made in (keys.root, path):
        assert (made.stat().st_uid, made.stat().st_gid) == (10001, 10002)


@pytest.mark.parametrize("text", ["", "cdmt_", "cdmt_0123456789ab_", "cdmt_0123456789AB_" + "x" * 43, "ü" * 60])
def test_what_is_no_key_has_no_id(text: str) -> None:
    assert key_id_of(text) is None


def test_one_wrong_character_opens_nothing(keys: ApiKeys, ann: NewKey) -> None:
    for position in (18, 40, len(ann.key) - 1):
        wrong = ann.key[:position] + ("A" if ann.key[position] != "A" else "B") + ann.key[position + 1 :]
        with pytest.raises(WrongCredential):
            opens(keys, wrong)


def test_an_unknown_id_is_answered_as_a_wrong_secret_is(
    keys: ApiKeys, ann: NewKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same is said, and the same is done: a record is parsed, and two digests are compared to the end."""
    compared: list[tuple[int, int]] = []
    compare = hmac.compare_digest

    def counted(one: str, other: str) -> bool:
        compared.append((len(one), len(other)))
        return compare(one, other)

    monkeypatch.setattr("service.contracts.keys.hmac.compare_digest", counted)
    told = []
    for key_id in (ann.record.id, "0" * 12):
        with pytest.raises(WrongCredential) as caught:
            keys.holder(key_id, digest("guess"))
        told.append(str(caught.value))
    assert told[0] == told[1]
    assert compared == [(64, 64)] * 4


def test_a_revoked_key_opens_nothing_and_stays_revoked(keys: ApiKeys, ann: NewKey) -> None:
    first = ApiKeys(keys.root.parent).revoke(ann.record.id)  # by another process, say
    with pytest.raises(EndedCredential, match="revoked"):
        opens(keys, ann.key)
    assert keys.revoke(ann.record.id) == first
    with pytest.raises(KeyEnded, match="revoked"):
        keys.rotate(ann.record.id)


def test_an_expired_key_opens_nothing(keys: ApiKeys, ann: NewKey) -> None:
    rewrite(keys, ann.record, expires_at=now() - timedelta(seconds=1))
    with pytest.raises(EndedCredential, match="expired"):
        opens(keys, ann.key)
    with pytest.raises(KeyEnded, match="expired"):
        keys.rotate(ann.record.id)
    assert not keys.are_any()


def test_only_its_owner_is_told_that_it_has_ended(keys: ApiKeys, ann: NewKey) -> None:
    keys.revoke(ann.record.id)
    with pytest.raises(WrongCredential):
        keys.holder(ann.record.id, digest("guess"))


def test_a_rotation_replaces_the_secret(keys: ApiKeys, ann: NewKey) -> None:
    new = keys.rotate(ann.record.id)
    assert opens(keys, new.key).name == "ann"
    assert (new.record.id, new.record.scopes, new.record.expires_at) == (
        ann.record.id,
        ann.record.scopes,
        ann.record.expires_at,
    )
    with pytest.raises(EndedCredential, match="replaced"):
        opens(keys, ann.key)


def test_with_an_overlap_both_are_good_until_it_is_over(keys: ApiKeys, ann: NewKey) -> None:
    new = keys.rotate(ann.record.id, overlap_hours=1, days=0)
    assert opens(keys, ann.key) == opens(keys, new.key) == new.record
    assert new.record.expires_at is None
    rewrite(keys, new.record, previous_until=now() - timedelta(seconds=1))
    with pytest.raises(EndedCredential, match="replaced"):
        opens(keys, ann.key)
    assert opens(keys, new.key) == keys.read(ann.record.id)
    newest = keys.rotate(ann.record.id, overlap_hours=1)
    with pytest.raises(WrongCredential):  # two rotations ago
        opens(keys, ann.key)
    keys.revoke(ann.record.id)
    for key in (new.key, newest.key):
        with pytest.raises(EndedCredential, match="revoked"):
            opens(keys, key)


@pytest.mark.parametrize("name", ["", " ann", "a" * 65, "ann\n", "oidc:ann", "../ann", "änn"])
def test_a_name_that_none_can_have(keys: ApiKeys, name: str) -> None:
    with pytest.raises(ValidationError):
        keys.create(name, scopes=("read",))
    assert keys.records() == []


def test_a_key_needs_a_scope(keys: ApiKeys) -> None:
    with pytest.raises(ValidationError):
        keys.create("ann", scopes=())


@pytest.mark.parametrize("key_id", ["0" * 12, "", "..", "../../etc/passwd", "A" * 12])
def test_a_key_that_is_not_there(keys: ApiKeys, key_id: str) -> None:
    for act in (keys.read, keys.revoke, keys.rotate):
        with pytest.raises(NotFound):
            act(key_id)


def test_a_damaged_record_opens_nothing_and_hides_no_other(keys: ApiKeys, ann: NewKey) -> None:
    bob = keys.create("bob", scopes=("read",))
    (keys.root / f"{ann.record.id}.json").write_text("{")
    with pytest.raises(WrongCredential):
        opens(keys, ann.key)
    assert [record.name for record in keys.records()] == ["bob"]
    assert opens(keys, bob.key) == bob.record


def test_of_many_who_change_keys_at_once_none_undoes_what_another_did(keys: ApiKeys) -> None:
    ids = [keys.create("ann", scopes=("read",)).record.id for _ in range(5)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: keys.rotate(ids[n % 5]) if n % 2 else keys.create("bob", scopes=("read",)), range(40)))
        list(pool.map(keys.revoke, ids))
    assert {record.state(now()) for record in keys.records() if record.id in ids} == {"revoked"}
    assert len(keys.records()) == 25


def test_a_rotation_in_another_process_waits_for_its_turn(keys: ApiKeys, ann: NewKey) -> None:
    code = (
        "import sys; from pathlib import Path; from service.contracts.keys import ApiKeys;"
        "print('here', flush=True); ApiKeys(Path(sys.argv[1])).revoke(sys.argv[2])"
    )
    with keys._alone():
        other = subprocess.Popen(
            [sys.executable, "-c", code, str(keys.root.parent), ann.record.id], stdout=subprocess.PIPE
        )
        assert other.stdout is not None
        other.stdout.readline()
        assert keys.read(ann.record.id).revoked_at is None
    assert other.wait(30) == 0
    other.stdout.close()
    assert keys.read(ann.record.id).revoked_at is not None


def test_the_name_of_the_admin_in_the_file_is_nobody_else_s(keys: ApiKeys, ann: NewKey) -> None:
    with pytest.raises(ValidationError, match="CDMT_ADMIN_KEY_FILE"):
        keys.create("admin", scopes=("read",))
    rewrite(keys, ann.record, name="admin")  # from before it was reserved
    assert opens(keys, ann.key).name == "admin"


def test_what_cannot_be_read_opens_nothing_and_hides_no_other(keys: ApiKeys, ann: NewKey) -> None:
    bob, eve = (keys.create(name, scopes=("read",)) for name in ("bob", "eve"))
    rewrite(keys, bob.record, sha256="ü" * 64)
    (keys.root / f"{eve.record.id}.json").unlink()
    (keys.root / f"{eve.record.id}.json").mkdir()
    assert keys.records() == [ann.record]
    for new in (bob, eve):
        with pytest.raises(WrongCredential):
            opens(keys, new.key)
