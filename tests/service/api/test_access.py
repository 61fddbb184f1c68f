"""Who may do what: every route, every scope; and that nobody sees what is another caller's."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.routing import BaseRoute, Mount

from service.api.access import PUBLIC, PUBLIC_FOLDERS, RULES, is_public
from service.api.app import create_app
from service.api.attempts import BURST
from service.contracts.job_store import JobStore
from service.contracts.keys import SCOPES, Scope
from service.contracts.settings import Settings
from service.contracts.storage import ArtifactStore, write_record
from tests.service.api.conftest import Keyed, serving
from tests.service.api.test_bad_input import check_problem, wait_until
from tests.service.making import SECRET, add_job, add_model, finish_generate, parquet, table

METHODS = {"get", "post", "put", "patch", "delete"}
GENERATE = {"model_id": "model-1", "n_stays": 1}
OF_A_JOB = ["", "/events", "/cohort", "/cohort?format=csv", "/report", "/report.html"]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    settings = Settings(data_dir=tmp_path_factory.mktemp("app"), auth="keys")
    return create_app(settings, redis_url="redis://127.0.0.1:1")


def every_path(routes: Iterator[BaseRoute] | list[BaseRoute]) -> Iterator[str]:
    """Every path of an app, whatever kind of route answers it."""
    for route in routes:
        nested = getattr(route, "original_router", None)
        if nested is not None:
            yield from every_path(nested.routes)
        else:
            yield route.path + ("/x" if isinstance(route, Mount) else "")  # type: ignore[attr-defined]


def test_every_operation_has_a_rule_or_is_public_and_no_rule_is_left_over(app: FastAPI) -> None:
    described = {
        f"{method.upper()} {path}"
        for path, methods in app.openapi()["paths"].items()
        for method in METHODS & set(methods)
    }
    ruled = {operation for operation in described if not is_public(operation.partition(" ")[2])}
    assert ruled == set(RULES)


def test_no_route_lets_a_stranger_in_unless_it_is_public(app: FastAPI) -> None:
    paths = {re.sub(r"{\w+}", "some-id", path) for path in every_path(app.routes)}
    assert len(paths) > 25
    assert {"/jobs/some-id/cohort", "/static-offline-docs/x", "/docs"} <= paths
    with serving(app) as client:
        for path in sorted(paths | {"/nothing", "/jobs/", "/livez/x", "/keys%2f"}):
            for method in METHODS:
                answer = client.request(method.upper(), path)
                if path in PUBLIC or path.startswith(PUBLIC_FOLDERS):
                    assert answer.status_code not in (401, 403), path
                else:
                    problem = check_problem(answer, 401, "Authorization: Bearer")
                    assert problem["type"] == "urn:cdmt:problem:unauthorized"
                    assert answer.headers["www-authenticate"] == "Bearer"
        assert client.head("/jobs").status_code == 401


def test_public_is_what_is_listed_here() -> None:
    assert set(PUBLIC) == {"/", "/signin", "/livez", "/readyz", "/docs", "/redoc", "/openapi.json", "/schemas/report"}


@pytest.mark.parametrize("scope", SCOPES)
def test_each_scope_opens_what_its_rules_say_and_nothing_else(keyed: Keyed, scope: Scope) -> None:
    """An operation that is allowed fails later, for want of a body or of the thing; one that is not, at the door."""
    headers = keyed.key("ann", scope)
    for operation, scopes in RULES.items():
        method, path = operation.split()
        answer = keyed.client.request(method, re.sub(r"{\w+}", "abcdefabcdef", path), headers=headers)
        if scope == "admin" or not scopes or scope in scopes:
            assert answer.status_code not in (401, 403), operation
        else:
            problem = check_problem(answer, 403, f"'{scopes[0]}'", f"you have {scope}")
            assert problem["type"] == "urn:cdmt:problem:missing-scope"
            assert answer.headers["www-authenticate"] == (
                f'Bearer error="insufficient_scope", scope="{" ".join(scopes)}"'
            )


@pytest.mark.parametrize("host", ["x/livez?", "x/livez#", "x/docs?a=", "x@y/livez?"])
def test_no_host_makes_a_path_public(keyed: Keyed, host: str, log_lines: io.StringIO) -> None:
    """A URL that is put together from the header `Host` and the path would have another path."""
    headers = keyed.key("ann", "read") | {"Host": host}
    check_problem(keyed.client.post("/jobs/generate", json=GENERATE, headers=headers), 403, "'generate'")
    assert keyed.client.get("/keys", headers={"Host": host}).status_code == 401
    lines = [json.loads(text) for text in log_lines.getvalue().splitlines() if "access_refused" in text]
    assert [line["path"] for line in lines] == ["/jobs/generate", "/keys"]


def test_a_route_without_a_rule_lets_nobody_in(tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path, auth="keys"), redis_url="redis://127.0.0.1:1")

    @app.get("/forgotten")
    def forgotten() -> str:
        return "a secret"

    with serving(app) as client:
        assert client.get("/forgotten").status_code == 401
        key = app.state.services.authenticator.keys.create("ann", scopes=SCOPES).key
        check_problem(client.get("/forgotten", headers={"Authorization": f"Bearer {key}"}), 403)


def test_the_api_says_which_scope_an_operation_needs(app: FastAPI) -> None:
    paths = app.openapi()["paths"]
    assert paths["/jobs/train"]["post"]["security"] == [{"key": ["train"]}, {"session": ["train"]}]
    assert paths["/session"]["get"]["security"] == [{"key": []}, {"session": []}]
    assert paths["/livez"]["get"]["security"] == []
    assert {"401", "403"} <= set(paths["/jobs"]["get"]["responses"])
    assert set(app.openapi()["components"]["securitySchemes"]) == {"key", "session"}


def test_a_revoked_key_is_refused_from_the_next_request_on(keyed: Keyed) -> None:
    headers = keyed.key("ann", "read")
    assert keyed.client.get("/jobs", headers=headers).is_success
    keyed.keys.revoke(keyed.keys.records()[0].id)
    check_problem(keyed.client.get("/jobs", headers=headers), 401, "revoked")


def test_other_schemes_are_no_key(keyed: Keyed) -> None:
    key = keyed.key("ann", "read")["Authorization"]
    assert keyed.client.get("/jobs", headers={"Authorization": key.replace("Bearer", "bearer")}).is_success
    for header in ("Basic dXNlcjpwYXNz", key.removeprefix("Bearer "), f"Token {key}", "Bearer"):
        check_problem(keyed.client.get("/jobs", headers={"Authorization": header}), 401)
    check_problem(keyed.client.get("/jobs", params={"key": key, "access_token": key}), 401)


def test_a_request_without_a_key_is_refused_before_its_body_is_read(keyed: Keyed) -> None:
    answer = keyed.client.post("/jobs/generate", content=b"{ no json", headers={"Content-Type": "application/json"})
    check_problem(answer, 401)
    assert answer.headers["connection"] == "close"


def test_wrong_keys_are_refused_for_a_while_and_put_down_without_them(keyed: Keyed, log_lines: io.StringIO) -> None:
    known, unknown = keyed.key("ann", "read"), keyed.key("bob", "read")
    assert keyed.client.get("/jobs", headers=known).is_success
    wrong = known["Authorization"][:-8] + "AAAAAAAA"
    for _ in range(BURST):
        check_problem(keyed.client.get("/jobs", headers={"Authorization": wrong}), 401)
    for headers in ({"Authorization": wrong}, unknown):
        locked = keyed.client.get("/jobs", headers=headers)
        assert check_problem(locked, 429)["type"] == "urn:cdmt:problem:too-many-attempts"
        assert 0 < int(locked.headers["retry-after"]) <= 6
    assert keyed.client.get("/jobs", headers=known).is_success  # no stranger can lock out who is known here
    assert keyed.client.get("/livez").is_success
    told = [json.loads(line) for line in log_lines.getvalue().splitlines()]
    refused = [line for line in told if line["event"] == "access_refused"]
    assert [line["reason"] for line in refused] == ["wrong_credential"] * BURST + ["too_many_attempts"] * 2
    assert {key: refused[0][key] for key in ("address", "method", "path", "caller")} == {
        "address": "127.0.0.1",
        "method": "GET",
        "path": "/jobs",
        "caller": None,
    }
    assert refused[0]["key_id"] == known["Authorization"].split("_")[1]
    assert all("request_id" in line for line in refused)
    for headers in (known, unknown, {"Authorization": wrong}):
        assert headers["Authorization"].split("_", 2)[2] not in log_lines.getvalue()


def test_keys_that_have_ended_and_requests_without_one_are_no_attempts(keyed: Keyed) -> None:
    """A script that goes on with yesterday's key must not lock out its neighbours."""
    ended = keyed.key("ann", "read")
    keyed.keys.revoke(keyed.keys.records()[0].id)
    for _ in range(BURST + 1):
        check_problem(keyed.client.get("/jobs", headers=ended), 401)
        check_problem(keyed.client.get("/jobs"), 401)
    assert keyed.client.get("/jobs", headers=keyed.key("bob", "read")).is_success


def test_every_line_of_the_log_says_who_it_was(keyed: Keyed, log_lines: io.StringIO) -> None:
    headers = keyed.key("ann", "read")
    keyed.client.get("/jobs", headers=headers)
    keyed.client.get("/livez")
    wait_until(lambda: '"path": "/livez"' in log_lines.getvalue())  # written after the answer
    lines = [json.loads(text) for text in log_lines.getvalue().splitlines()]
    by_path = {line["path"]: line for line in lines if line["event"] == "request"}
    assert (by_path["/jobs"]["caller"], by_path["/jobs"]["key_id"]) == ("ann", keyed.keys.records()[0].id)
    assert "caller" not in by_path["/livez"]


# Whose things they are


@pytest.fixture
def anns(keyed: Keyed) -> dict[str, dict[str, str]]:
    """A cohort of ann's (job-1) and a job of hers that waits (job-2); the headers of ann, bob and an admin."""
    add_model(keyed.store)
    for job_id in ("job-1", "job-2"):
        add_job(keyed.store, job_id, caller="ann")
    finish_generate(keyed.store, "job-1")
    return {
        "ann": keyed.key("ann", "read", "generate", "train"),
        "bob": keyed.key("bob", "read", "generate", "train"),
        "admin": keyed.key("chief", "admin"),
    }


def told(answer: httpx.Response) -> dict[str, Any]:
    """A problem without what differs from request to request anyway."""
    problem: dict[str, Any] = answer.json()
    return {name: value for name, value in problem.items() if name not in ("request_id", "instance", "detail")} | {
        "detail": re.sub("'.*'", "", problem["detail"])
    }


@pytest.mark.parametrize("way", OF_A_JOB)
def test_anothers_job_is_not_there(keyed: Keyed, anns: dict[str, dict[str, str]], way: str) -> None:
    hers = keyed.client.get(f"/jobs/job-1{way}", headers=anns["bob"])
    nobodys = keyed.client.get(f"/jobs/job-9{way}", headers=anns["bob"])
    check_problem(hers, 404)
    assert told(hers) == told(nobodys)
    assert hers.headers.keys() == nobodys.headers.keys()
    for who in ("ann", "admin"):
        assert keyed.client.get(f"/jobs/job-1{way}", headers=anns[who]).is_success


def test_nor_can_it_be_changed(keyed: Keyed, anns: dict[str, dict[str, str]]) -> None:
    check_problem(keyed.client.post("/jobs/job-2/cancel", headers=anns["bob"]), 404)
    check_problem(keyed.client.delete("/jobs/job-1", headers=anns["bob"]), 404)
    assert keyed.store.ids("jobs") == ["job-2", "job-1"]
    assert keyed.client.get("/jobs/job-2", headers=anns["ann"]).json()["status"] == "queued"
    assert keyed.client.post("/jobs/job-2/cancel", headers=anns["ann"]).json()["status"] == "cancelled"
    assert keyed.client.delete("/jobs/job-1", headers=anns["admin"]).status_code == 204


def test_nor_used(keyed: Keyed, anns: dict[str, dict[str, str]]) -> None:
    files = {"file": ("t", parquet(table()))}
    dataset = keyed.client.post("/datasets", files=files, headers=anns["bob"]).json()
    asked = {"dataset_id": dataset["id"], "job_id": "job-1"}
    check_problem(keyed.client.post("/jobs/evaluate", json=asked, headers=anns["bob"]), 404)
    assert keyed.client.post("/jobs/evaluate", json=asked, headers=anns["ann"]).status_code == 202
    problem = check_problem(keyed.client.delete(f"/datasets/{dataset['id']}", headers=anns["bob"]), 409)
    assert "another caller's job" in problem["detail"]


def test_lists_hold_ones_own_jobs(keyed: Keyed, anns: dict[str, dict[str, str]]) -> None:
    mine = keyed.client.post("/jobs/generate", json=GENERATE, headers=anns["bob"]).json()
    assert mine["caller"] == "bob"

    def listed(who: str, **filters: str) -> list[str]:
        items = keyed.client.get("/jobs", params=filters, headers=anns[who]).json()["items"]
        return sorted(item["id"] for item in items)

    assert listed("ann") == ["job-1", "job-2"]
    assert listed("bob") == [mine["id"]]
    assert listed("admin") == sorted(["job-1", "job-2", mine["id"]])
    assert listed("bob", status="succeeded") == []


def test_jobs_of_before_there_were_keys_are_the_admins(keyed: Keyed, anns: dict[str, dict[str, str]]) -> None:
    add_job(keyed.store, "job-0")
    check_problem(keyed.client.get("/jobs/job-0", headers=anns["ann"]), 404)
    assert keyed.client.get("/jobs/job-0", headers=anns["admin"]).is_success


def test_another_key_of_the_same_name_is_the_same_caller(keyed: Keyed, anns: dict[str, dict[str, str]]) -> None:
    assert keyed.client.get("/jobs/job-1", headers=keyed.key("ann", "read")).is_success


def test_a_refusal_of_anothers_job_is_put_down(
    keyed: Keyed, anns: dict[str, dict[str, str]], log_lines: io.StringIO
) -> None:
    keyed.client.get("/jobs/job-1/cohort", headers=anns["bob"])
    keyed.client.get("/keys", headers=anns["bob"])
    lines = [json.loads(text) for text in log_lines.getvalue().splitlines() if "access_refused" in text]
    assert [(line["caller"], line["reason"], line["path"]) for line in lines] == [
        ("bob", "not_owner", "/jobs/job-1/cohort"),
        ("bob", "missing_scope", "/keys"),
    ]


def test_an_idempotency_key_is_ones_own(keyed: Keyed, anns: dict[str, dict[str, str]]) -> None:
    jobs = [
        keyed.client.post("/jobs/generate", json=GENERATE, headers=anns[who] | {"Idempotency-Key": "the-same"})
        for who in ("ann", "bob", "ann")
    ]
    ids = [job.json()["id"] for job in jobs]
    assert ids[0] == ids[2] != ids[1]
    other = keyed.client.post(
        "/jobs/generate", json={**GENERATE, "n_stays": 2}, headers=anns["bob"] | {"Idempotency-Key": "the-same"}
    )
    check_problem(other, 422)


def test_what_everybody_may_read_only_its_maker_may_delete(keyed: Keyed, anns: dict[str, dict[str, str]]) -> None:
    made = keyed.client.post("/datasets", files={"file": ("t", parquet(table()))}, headers=anns["ann"]).json()
    model = keyed.store.model("model-1").model_copy(update={"caller": "ann"})
    write_record(keyed.store.model_dir("model-1"), model)
    keyed.client.post("/jobs/job-2/cancel", headers=anns["ann"])
    for thing in (f"/datasets/{made['id']}", "/models/model-1"):
        assert keyed.client.get(thing, headers=anns["bob"]).json()["caller"] == "ann"
        check_problem(keyed.client.delete(thing, headers=anns["bob"]), 403, "another caller's")
        assert keyed.client.delete(thing, headers=anns["ann"]).status_code == 204
    add_model(keyed.store)  # nobody's, as the bundled ones are
    check_problem(keyed.client.delete("/models/model-1", headers=anns["ann"]), 403)
    assert keyed.client.delete("/models/model-1", headers=anns["admin"]).status_code == 204


def test_no_key_gets_a_dataset_out(keyed: Keyed) -> None:
    headers = keyed.key("chief", *SCOPES)
    frame = table().assign(heart_rate=SECRET)
    dataset = keyed.client.post("/datasets", files={"file": ("t", parquet(frame))}, headers=headers).json()
    for way in ("", "/table", "/table.parquet", "/file", "/download", "/archive", "/record.json"):
        answer = keyed.client.get(f"/datasets/{dataset['id']}{way}", headers=headers)
        assert answer.status_code == (404 if way else 200)
        assert b"PAR1" not in answer.content


def test_a_stream_of_events_ends_with_its_key(keyed: Keyed, anns: dict[str, dict[str, str]]) -> None:
    with keyed.client.stream("GET", "/jobs/job-2/events", headers=anns["ann"]) as response:
        lines = response.iter_lines()
        assert next(lines) == "event: state"
        for record in keyed.keys.records():
            keyed.keys.revoke(record.id)
        JobStore(keyed.store).transition("job-2", lambda job: job.model_copy(update={"status": "running"}))
        assert "running" not in "".join(lines)


def test_it_ends_in_silence_too_and_with_its_session(
    keyed: Keyed, anns: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.api.watch.REPEAT_SECONDS", 0.1)
    with keyed.client.stream("GET", "/jobs/job-2/events", headers=anns["ann"]) as response:
        lines = response.iter_lines()
        assert next(lines) == "event: state"
        for record in keyed.keys.records():
            keyed.keys.revoke(record.id)
        assert "event: " not in "".join(lines)
    headers = keyed.key("ann", "read")
    csrf = keyed.client.post("/session", headers=headers).json()["csrf_token"]
    with keyed.client.stream("GET", "/jobs/job-2/events") as response:
        lines = response.iter_lines()
        assert next(lines) == "event: state"
        assert keyed.client.delete("/session", headers={"X-CSRF-Token": csrf}).status_code == 204
        assert "event: " not in "".join(lines)
    assert keyed.client.get("/jobs", headers=headers).is_success


# Where nobody is asked


def test_where_nobody_is_asked_everything_is_everybodys(client: httpx.Client, settings: Settings) -> None:
    store = ArtifactStore(settings.data_dir)
    add_model(store)
    add_job(store, "job-1", caller="ann")
    assert [job["caller"] for job in client.get("/jobs").json()["items"]] == ["ann"]
    assert client.delete("/models/model-1").status_code == 409
    check_problem(client.get("/keys"), 403, "'admin'")


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example.org"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}],
)
def test_but_no_page_of_another_site_changes_anything(client: httpx.Client, headers: dict[str, str]) -> None:
    files = {"file": ("t", parquet(table()))}
    problem = check_problem(client.post("/datasets", files=files, headers=headers), 403)
    assert problem["type"] == "urn:cdmt:problem:cross-site"
    assert client.get("/datasets", headers=headers).json()["items"] == []
    own = {"Origin": f"http://{client.base_url.netloc.decode()}", "Sec-Fetch-Site": "same-origin"}
    assert client.post("/datasets", files=files, headers=own).is_success
