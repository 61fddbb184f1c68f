"""The privacy gate at the door, and the admin who may open it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from service.api.app import create_app
from service.contracts.records import OVERRIDES
from service.contracts.settings import Settings
from service.contracts.storage import ArtifactStore, write_record
from tests.service.api.conftest import serving
from tests.service.api.test_bad_input import check_problem
from tests.service.making import add_job, add_model, finish_generate

KEY = "k3y-" + "x" * 40
ADMIN = {"Authorization": f"Bearer {KEY}"}
WAYS = ["cohort", "cohort?format=csv", "cohort?format=parquet"]


@pytest.fixture
def guarded(tmp_path: Path, valkey_url: str, redis: Redis) -> Iterator[httpx.Client]:
    """A gateway with an admin; job-1 is held, job-2 passed, job-3 could not be tested."""
    (tmp_path / "key").write_text(f"{KEY}\n")
    settings = Settings(data_dir=tmp_path / "var", admin_key_file=tmp_path / "key", reconcile_every_seconds=1e6)
    fill(ArtifactStore(settings.data_dir))
    with serving(create_app(settings, redis_url=valkey_url)) as client:
        yield client


def fill(store: ArtifactStore) -> None:
    add_model(store)
    for job_id, privacy in (("job-1", "held"), ("job-2", "passed"), ("job-3", "not_evaluated")):
        add_job(store, job_id)
        finish_generate(store, job_id, privacy=privacy)  # type: ignore[arg-type]


def overrides(client: httpx.Client, job_id: str = "job-1") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"/jobs/{job_id}").json()["privacy_overrides"]
    return found


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=0-3"}, {"If-None-Match": "*"}])
def test_a_held_cohort_stays_inside_whatever_the_way(client: httpx.Client, way: str, headers: dict[str, str]) -> None:
    fill(ArtifactStore(client_data_dir(client)))
    refused = client.get(f"/jobs/job-1/{way}", headers=headers)
    problem = check_problem(refused, 403, "dcr_share", "0.71", "0.6512", "0.55")
    assert problem["type"] == "urn:cdmt:problem:privacy-held"
    assert client.head(f"/jobs/job-1/{way}", headers=headers).status_code == 403
    assert "etag" not in refused.headers


def client_data_dir(client: httpx.Client) -> Path:
    """The data directory of the session's gateway."""
    return Path(client.headers["X-Data-Dir"])


@pytest.fixture(autouse=True)
def _data_dir(client: httpx.Client, settings: Settings) -> Iterator[None]:
    client.headers["X-Data-Dir"] = str(settings.data_dir)
    yield
    del client.headers["X-Data-Dir"]


def test_what_is_known_of_a_held_cohort_can_be_read(client: httpx.Client) -> None:
    fill(ArtifactStore(client_data_dir(client)))
    job = client.get("/jobs/job-1").json()
    assert (job["result"]["privacy"], job["result"]["privacy_failed"][0]["name"]) == ("held", "dcr_share")
    assert client.get("/jobs/job-1/report").is_success
    assert client.get("/jobs/job-1/report.html").is_success


def test_what_passed_and_what_could_not_be_tested_goes_out(client: httpx.Client) -> None:
    fill(ArtifactStore(client_data_dir(client)))
    assert client.get("/jobs/job-2/cohort").is_success


@pytest.mark.parametrize(
    ("setting", "origin", "leaves"),
    [
        ("bundled", "bundled", True),
        ("bundled", "imported", False),
        ("bundled", "trained", False),  # its dataset was deleted, perhaps in order to get around the gate
        ("release", "imported", True),
        ("hold", "bundled", False),
    ],
)
def test_what_could_not_be_tested_leaves_as_the_setting_says(
    tmp_path: Path, valkey_url: str, redis: Redis, setting: Any, origin: str, leaves: bool
) -> None:
    settings = Settings(data_dir=tmp_path / "var", privacy_not_evaluated=setting)
    store = ArtifactStore(settings.data_dir)
    fill(store)
    model = store.model("model-1").model_copy(update={"origin": origin})
    write_record(store.model_dir("model-1"), model)
    with serving(create_app(settings, redis_url=valkey_url)) as client:
        assert client.get("/jobs/job-3/cohort").is_success == leaves
        assert client.get("/jobs/job-2/cohort").is_success


def test_an_untested_cohort_of_a_model_that_is_gone_stays_inside(client: httpx.Client) -> None:
    store = ArtifactStore(client_data_dir(client))
    fill(store)
    store.remove("models", "model-1")
    check_problem(client.get("/jobs/job-3/cohort"), 403, "could not be tested")


def test_a_hospital_can_hold_what_could_not_be_tested(tmp_path: Path, valkey_url: str, redis: Redis) -> None:
    (tmp_path / "key").write_text(KEY)
    settings = Settings(data_dir=tmp_path / "var", privacy_not_evaluated="hold", admin_key_file=tmp_path / "key")
    fill(ArtifactStore(settings.data_dir))
    with serving(create_app(settings, redis_url=valkey_url)) as client:
        assert client.get("/jobs/job-2/cohort").is_success
        check_problem(client.get("/jobs/job-3/cohort"), 403, "could not be tested", "CDMT_PRIVACY_NOT_EVALUATED")
        taken = client.get("/jobs/job-3/cohort", headers={**ADMIN, "X-Override-Reason": "a bundled model"})
        assert taken.is_success
        assert overrides(client, "job-3")[0]["failed"] == []


def test_without_a_key_file_nobody_is_an_admin(client: httpx.Client) -> None:
    fill(ArtifactStore(client_data_dir(client)))
    check_problem(client.get("/jobs/job-1/cohort", headers={"X-Override-Reason": "let me"}), 403)
    check_problem(client.get("/jobs/job-1/cohort", headers={**ADMIN, "X-Override-Reason": "let me"}), 401)
    assert overrides(client) == []


@pytest.mark.parametrize("way", WAYS)
def test_an_admin_takes_it_with_a_reason_that_is_put_down(guarded: httpx.Client, tmp_path: Path, way: str) -> None:
    check_problem(guarded.get(f"/jobs/job-1/{way}", headers={"X-Override-Reason": "me too"}), 403)
    check_problem(guarded.get(f"/jobs/job-1/{way}", headers=ADMIN), 403, "X-Override-Reason")
    check_problem(guarded.get(f"/jobs/job-1/{way}", headers={**ADMIN, "X-Override-Reason": ""}), 403)
    assert overrides(guarded) == []
    reason = "Ethikvotum 12/34: für die Prüfung"
    headers = {**ADMIN, "X-Override-Reason": reason, "X-Request-ID": "request-7"}
    taken = guarded.get(f"/jobs/job-1/{way}", headers=[(k.encode(), v.encode()) for k, v in headers.items()])
    assert taken.is_success
    assert taken.content
    (override,) = overrides(guarded)
    assert (override["reason"], override["request_id"], override["caller"]) == (reason, "request-7", "admin")
    assert override["failed"] == ["dcr_share"]
    assert override["address"] == "127.0.0.1"
    lines = (tmp_path / "var" / "jobs" / "job-1" / OVERRIDES).read_text().splitlines()
    assert json.loads(lines[0])["reason"] == reason
    assert [job["privacy_overrides"] for job in guarded.get("/jobs").json()["items"] if job["id"] == "job-1"] == [
        [override]
    ]


def test_every_time_is_put_down(guarded: httpx.Client) -> None:
    for n in range(3):
        headers = {**ADMIN, "X-Override-Reason": f"reason {n}", "Range": "bytes=0-3"}
        assert guarded.get("/jobs/job-1/cohort", headers=headers).status_code == 206
    assert [override["reason"] for override in overrides(guarded)] == ["reason 0", "reason 1", "reason 2"]


def test_what_cannot_be_put_down_does_not_go_out(guarded: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("service.contracts.appending._write", full)
    refused = guarded.get("/jobs/job-1/cohort", headers={**ADMIN, "X-Override-Reason": "because"})
    check_problem(refused, 507)


def test_a_reason_that_cannot_be_put_down_is_refused(guarded: httpx.Client) -> None:
    for reason in ("x" * 1001, "a\tb"):
        check_problem(guarded.get("/jobs/job-1/cohort", headers={**ADMIN, "X-Override-Reason": reason}), 422)
    assert overrides(guarded) == []


def test_a_cohort_that_is_not_held_needs_no_reason(guarded: httpx.Client) -> None:
    assert guarded.get("/jobs/job-2/cohort", headers={**ADMIN, "X-Override-Reason": "in vain"}).is_success
    assert overrides(guarded, "job-2") == []


@pytest.mark.parametrize("path", ["/jobs", "/jobs/job-2/cohort", "/models", "/datasets"])
@pytest.mark.parametrize("token", ["wrong", KEY[:-1], KEY + "x", "", "ü" * 40])
def test_a_wrong_key_is_refused_even_where_none_is_needed(guarded: httpx.Client, path: str, token: str) -> None:
    refused = guarded.get(path, headers={b"Authorization": f"Bearer {token}".strip().encode()})
    problem = check_problem(refused, 401)
    assert refused.headers["www-authenticate"] == "Bearer"
    assert KEY not in json.dumps(problem)
    assert guarded.get(path).is_success


def test_other_schemes_are_left_to_those_in_front_of_us(guarded: httpx.Client) -> None:
    assert guarded.get("/jobs", headers={"Authorization": "Basic dXNlcjpwYXNz"}).is_success
    assert guarded.get("/jobs", headers={"Authorization": f"bearer {KEY}"}).is_success


def test_an_override_is_logged_without_the_key(guarded: httpx.Client, log_lines: io.StringIO) -> None:
    guarded.get("/jobs/job-1/cohort", headers={**ADMIN, "X-Override-Reason": "an audit"})
    (line,) = (json.loads(text) for text in log_lines.getvalue().splitlines() if "privacy_override" in text)
    assert (line["job_id"], line["reason"], line["failed"]) == ("job-1", "an audit", ["dcr_share"])
    assert KEY not in log_lines.getvalue()
