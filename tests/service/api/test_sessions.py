"""Sessions: a cookie stands for a key, for pages of ours alone, and as long as the key is good."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from http.cookies import SimpleCookie
from typing import Any

import httpx
import pytest

from service.api import sessions as module
from service.api.auth import Credential
from service.api.sessions import CSRF_HEADER, Sessions
from service.contracts.errors import EndedCredential
from service.contracts.jobs import now
from tests.service.api.conftest import Keyed
from tests.service.api.test_bad_input import check_problem
from tests.service.making import add_model

GENERATE = {"model_id": "model-1", "n_stays": 1}
ANN = Credential.of("ann's key")


@pytest.fixture
def ann(keyed: Keyed) -> dict[str, Any]:
    """The session that ann opened; the client has its cookie."""
    add_model(keyed.store)
    answer = keyed.client.post("/session", headers=keyed.key("ann", "read", "generate"))
    assert answer.status_code == 201, answer.text
    opened: dict[str, Any] = answer.json()
    return opened


def cookie(answer: httpx.Response) -> Any:
    (morsel,) = SimpleCookie(answer.headers["set-cookie"]).values()
    return morsel


def test_the_cookie_is_for_the_browser_alone(keyed: Keyed) -> None:
    answer = keyed.client.post("/session", headers=keyed.key("ann", "read"))
    morsel = cookie(answer)
    assert morsel.key == "cdmt-session"
    assert (morsel["httponly"], morsel["samesite"].lower(), morsel["path"]) == (True, "strict", "/")
    assert (morsel["domain"], morsel["secure"]) == ("", "")
    assert int(morsel["max-age"]) == keyed.settings.session_seconds
    assert len(morsel.value) == 43
    assert morsel.value not in answer.text
    assert answer.headers["cache-control"] == "no-store"


def test_it_stands_for_the_key(keyed: Keyed, ann: dict[str, Any]) -> None:
    me = keyed.client.get("/session").json()
    assert me == ann
    assert (me["auth"], me["name"], me["scopes"], me["way"]) == ("keys", "ann", ["read", "generate"], "key")
    csrf = {CSRF_HEADER: me["csrf_token"]}
    job = keyed.client.post("/jobs/generate", json=GENERATE, headers=csrf)
    assert job.json()["caller"] == "ann"
    check_problem(keyed.client.post("/jobs/train", json={}, headers=csrf), 403, "'train'")


def test_who_has_a_key_alone_has_no_session(keyed: Keyed) -> None:
    me = keyed.client.get("/session", headers=keyed.key("ann", "admin")).json()
    assert (me["scopes"], me["csrf_token"]) == (["read", "generate", "train", "admin"], None)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {CSRF_HEADER: "guess"},
        {CSRF_HEADER: ""},
        {"Origin": "https://evil.example.org", CSRF_HEADER: "right"},
        {"Origin": "null", CSRF_HEADER: "right"},
        {"Origin": "http://[", CSRF_HEADER: "right"},
        {"Sec-Fetch-Site": "cross-site", CSRF_HEADER: "right"},
        {"Sec-Fetch-Site": "same-site", CSRF_HEADER: "right"},
    ],
)
def test_another_site_s_page_changes_nothing_by_it(keyed: Keyed, ann: dict[str, Any], headers: dict[str, str]) -> None:
    sent = {name: ann["csrf_token"] if value == "right" else value for name, value in headers.items()}
    for answer in (
        keyed.client.post("/jobs/generate", json=GENERATE, headers=sent),
        keyed.client.delete("/models/model-1", headers=sent),
        keyed.client.delete("/session", headers=sent),
    ):
        assert check_problem(answer, 403)["type"] == "urn:cdmt:problem:cross-site"
    assert keyed.store.ids("jobs") == []
    assert keyed.client.get("/session").is_success


def test_a_page_of_ours_may(keyed: Keyed, ann: dict[str, Any]) -> None:
    own = {"Origin": str(keyed.client.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    sent = own | {CSRF_HEADER: ann["csrf_token"]}
    assert keyed.client.post("/jobs/generate", json=GENERATE, headers=sent).status_code == 202


def test_a_key_needs_no_such_proof_beside_a_cookie(keyed: Keyed, ann: dict[str, Any]) -> None:
    headers = keyed.key("bob", "generate")
    assert keyed.client.post("/jobs/generate", json=GENERATE, headers=headers).json()["caller"] == "bob"


def test_it_ends_with_its_key(keyed: Keyed, ann: dict[str, Any]) -> None:
    assert keyed.client.get("/jobs").is_success
    keyed.keys.revoke(ann["key_id"])
    check_problem(keyed.client.get("/jobs"), 401, "revoked")


def test_and_with_the_secret_by_which_it_was_opened(keyed: Keyed, ann: dict[str, Any]) -> None:
    keyed.keys.rotate(ann["key_id"], overlap_hours=1)
    assert keyed.client.get("/jobs").is_success
    keyed.keys.rotate(ann["key_id"])
    check_problem(keyed.client.get("/jobs"), 401, "log in again")


def test_log_out(keyed: Keyed, ann: dict[str, Any]) -> None:
    kept = dict(keyed.client.cookies)
    answer = keyed.client.delete("/session", headers={CSRF_HEADER: ann["csrf_token"]})
    assert answer.status_code == 204
    assert cookie(answer)["max-age"] == "0"
    keyed.client.cookies.update(kept)
    check_problem(keyed.client.get("/jobs"), 401, "has ended")


def test_a_session_opens_no_other(keyed: Keyed, ann: dict[str, Any]) -> None:
    check_problem(keyed.client.post("/session", headers={CSRF_HEADER: ann["csrf_token"]}), 401)
    check_problem(keyed.client.post("/session", headers={"Authorization": "Bearer guess"}), 401)


def test_each_login_has_an_id_of_its_own(keyed: Keyed) -> None:
    """So that nobody can log somebody else in under an id that they know."""
    headers = keyed.key("ann", "read")
    keyed.client.cookies.set("cdmt-session", "chosen-by-another")
    ids = {cookie(keyed.client.post("/session", headers=headers)).value for _ in range(2)}
    assert len(ids) == 2
    assert "chosen-by-another" not in ids


@pytest.mark.parametrize("value", ["", "guess", "x" * 43, "ü".encode().hex(), "../../keys"])
def test_a_made_up_cookie(keyed: Keyed, value: str) -> None:
    check_problem(keyed.client.get("/jobs", headers={"Cookie": f"cdmt-session={value}"}), 401)


def test_where_nobody_is_asked_there_is_no_need_to_log_in(client: httpx.Client) -> None:
    me = client.get("/session", headers={"Cookie": "cdmt-session=of-yesterday"}).json()
    assert (me["auth"], me["name"], me["way"]) == ("off", None, "off")
    assert me["scopes"] == ["read", "generate", "train"]
    check_problem(client.post("/session"), 401)


def test_over_tls_the_cookie_is_for_tls_and_this_host_alone(keyed: Keyed) -> None:
    """As behind a proxy that is trusted: the scheme is what it says."""
    from starlette.requests import Request
    from starlette.responses import Response

    request = Request({"type": "http", "scheme": "https", "path": "/", "headers": [], "server": ("a", 443)})
    response = Response()
    module.set_cookie(request, response, "id", seconds=60)
    morsel = SimpleCookie(response.headers["set-cookie"])["__Host-cdmt-session"]
    assert (morsel["secure"], morsel["path"], morsel["domain"]) == (True, "/", "")
    sent = {**request.scope, "headers": [(b"cookie", b"cdmt-session=a; __Host-cdmt-session=b")]}
    assert module.session_cookie(Request(sent)) == "b"


def test_a_session_expires() -> None:
    time = [now()]
    sessions = Sessions(seconds=60, clock=lambda: time[0])
    session_id, opened = sessions.open(ANN)
    assert sessions.find(session_id) == opened
    time[0] += timedelta(seconds=61)
    with pytest.raises(EndedCredential):
        sessions.find(session_id)
    assert not sessions._sessions


def test_there_are_not_any_number_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SESSIONS", 3)
    sessions = Sessions(seconds=60)
    ids = [sessions.open(ANN)[0] for _ in range(4)]
    with pytest.raises(EndedCredential):
        sessions.find(ids[0])
    assert all(sessions.find(session_id) for session_id in ids[1:])


def test_a_key_ends_none_but_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_OF_A_KEY", 3)
    sessions = Sessions(seconds=60)
    ann, bob = (Credential(sha256=name, key_id=name) for name in ("ann", "bob"))
    bobs, _ = sessions.open(bob)
    ids = [sessions.open(replace(ann, sha256=secret))[0] for secret in ("old", "old", "new", "new")]
    with pytest.raises(EndedCredential):
        sessions.find(ids[0])
    assert all(sessions.find(session_id) for session_id in (bobs, *ids[1:]))


def test_the_id_is_not_kept_in_the_clear() -> None:
    sessions = Sessions(seconds=60)
    session_id, _ = sessions.open(ANN)
    assert session_id not in repr(sessions._sessions)
