"""Keys over HTTP, for admins."""

from __future__ import annotations

import io
from typing import Any

import httpx
import pytest

from tests.service.api.conftest import Keyed
from tests.service.api.test_bad_input import check_problem, wait_until

ASKED = {"name": "ann", "scopes": ["read", "generate"]}


@pytest.fixture
def admin(keyed: Keyed) -> httpx.Client:
    """The client of an admin."""
    keyed.client.headers.update(keyed.key("chief", "admin"))
    return keyed.client


def bearer(shown: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {shown['key']}"}


def test_a_key_is_shown_once_and_works_at_once(admin: httpx.Client) -> None:
    answer = admin.post("/keys", json=ASKED)
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    shown = answer.json()
    assert (shown["name"], shown["scopes"], shown["state"]) == ("ann", ["read", "generate"], "active")
    assert admin.get("/session", headers=bearer(shown)).json()["name"] == "ann"
    known = admin.get(f"/keys/{shown['id']}")
    assert known.json() == {name: value for name, value in shown.items() if name != "key"}
    listed = admin.get("/keys")
    assert [key["name"] for key in listed.json()["items"]] == ["ann", "chief"]
    for answer in (known, listed):
        assert "sha256" not in answer.text
        assert shown["key"].split("_", 2)[2] not in answer.text


def test_it_is_rotated_and_revoked(admin: httpx.Client) -> None:
    old = admin.post("/keys", json={**ASKED, "days": 0}).json()
    assert old["expires_at"] is None
    rotated = admin.post(f"/keys/{old['id']}/rotate", json={"overlap_hours": 1, "days": 30})
    new = rotated.json()
    assert rotated.headers["cache-control"] == "no-store"
    assert new["expires_at"] is not None
    assert all(admin.get("/jobs", headers=bearer(key)).is_success for key in (old, new))
    newest = admin.post(f"/keys/{old['id']}/rotate", json={}).json()
    check_problem(admin.get("/jobs", headers=bearer(new)), 401, "replaced")
    assert admin.delete(f"/keys/{old['id']}").status_code == 204
    for key in (old, new, newest):
        check_problem(admin.get("/jobs", headers=bearer(key)), 401)
    check_problem(admin.post(f"/keys/{old['id']}/rotate", json={}), 409, "revoked")
    assert admin.get(f"/keys/{old['id']}").json()["state"] == "revoked"


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": "oidc:ann"},
        {"name": "admin"},
        {"name": "system"},
        {"scopes": []},
        {"scopes": ["write"]},
        {"days": -1},
        {"days": 1e9},
        {"sha256": "0" * 64},
        {"id": "abcdefabcdef"},
    ],
)
def test_what_no_key_can_be(admin: httpx.Client, change: dict[str, Any]) -> None:
    check_problem(admin.post("/keys", json=ASKED | change), 422)
    assert len(admin.get("/keys").json()["items"]) == 1


@pytest.mark.parametrize("key_id", ["abcdefabcdef", "..%2f..%2fetc", "%00"])
def test_a_key_that_is_not_there(admin: httpx.Client, key_id: str) -> None:
    assert admin.get(f"/keys/{key_id}").status_code == 404
    assert admin.delete(f"/keys/{key_id}").status_code == 404


def test_no_log_holds_a_key(admin: httpx.Client, log_lines: io.StringIO) -> None:
    shown = admin.post("/keys", json=ASKED).json()
    admin.get("/jobs", headers=bearer(shown))
    wait_until(lambda: shown["id"] in log_lines.getvalue())  # written after the answer
    assert shown["key"].split("_", 2)[2] not in log_lines.getvalue()


def test_an_idempotency_key_does_not_keep_a_key(admin: httpx.Client, keyed: Keyed) -> None:
    """The first answer is not given again: it would have to be kept in the clear."""
    keys = [admin.post("/keys", json=ASKED, headers={"Idempotency-Key": "one"}).json()["key"] for _ in range(2)]
    assert keys[0] != keys[1]
    files = [path.read_bytes() for path in keyed.settings.data_dir.rglob("*") if path.is_file()]
    assert not any(key.split("_", 2)[2].encode() in content for key in keys for content in files)
