"""The composed service attacked: by a stranger, by a caller, and by who has got into one of its containers."""

from __future__ import annotations

import base64
import http.client
import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.docker import planting
from tests.docker.asking import FINAL, SHORT, TABLE, check_cohort, submit, wait
from tests.docker.conftest import caller, compose, new_key, redis, run_in
from tests.service.api.test_bombs import one_value_many_times
from tests.service.api.test_models import unzipped, zipped

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def finished(port: int, key: str) -> str:
    """A finished job of ann's."""
    with caller(key, port=port) as ann:
        job_id = submit(ann, SHORT, evaluate=True)
        check_cohort(ann, wait(ann, job_id, *FINAL), SHORT)
    return job_id


@pytest.fixture(scope="module")
def other(port: int) -> str:
    """The key of a caller who has every scope but admin."""
    return new_key("eve", "read,generate,train", port=port)


# Callers


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/events"),
        ("GET", "/cohort"),
        ("GET", "/report"),
        ("GET", "/report.html"),
        ("POST", "/cancel"),
        ("DELETE", ""),
    ],
)
def test_another_caller_s_job_is_not_there(method: str, path: str, finished: str, other: str, port: int) -> None:
    with caller(other, port=port) as eve:
        assert eve.request(method, f"/jobs/{finished}{path}").status_code == 404


def test_another_caller_s_jobs_are_neither_listed_nor_used(finished: str, other: str, port: int) -> None:
    with caller(other, port=port) as eve:
        assert finished not in {job["id"] for job in eve.get("/jobs").json()["items"]}
        dataset = eve.post("/datasets", files={"file": ("a.csv", TABLE)}).raise_for_status().json()["id"]
        refused = eve.post("/jobs/evaluate", json={"dataset_id": dataset, "job_id": finished})
        assert (refused.status_code, finished in refused.json()["detail"]) == (404, True)
        assert eve.get("/console/jobs/" + finished, headers={"Accept": "text/html"}).status_code == 404


def test_a_replayed_idempotency_key_gives_nobody_another_s_job(key: str, other: str, port: int) -> None:
    asked = {"model_id": "challenge2012-v1", "n_stays": SHORT, "evaluate": False}
    headers = {"Idempotency-Key": "once"}
    with caller(key, port=port) as ann, caller(other, port=port) as eve:
        first = ann.post("/jobs/generate", json=asked, headers=headers).json()["id"]
        assert ann.post("/jobs/generate", json=asked, headers=headers).json()["id"] == first
        assert ann.post("/jobs/generate", json={**asked, "n_stays": 21}, headers=headers).status_code == 422
        stolen = eve.post("/jobs/generate", json=asked, headers=headers).json()
        assert stolen["id"] != first
        assert eve.get(f"/jobs/{first}").status_code == 404


def test_a_caller_can_do_what_its_scopes_say_and_nothing_else(key: str, other: str, port: int) -> None:
    with caller(key, port=port) as ann, caller(other, port=port) as eve:
        assert ann.post("/datasets", files={"file": ("a.csv", b"stay,hour,x\n1,0,1\n")}).status_code == 403
        for path in ("/keys", "/audit"):
            assert eve.get(path).status_code == 403
        assert eve.post("/keys", json={"name": "me", "scopes": ["admin"]}).status_code == 403


def test_a_key_is_revoked_at_once_and_what_it_listens_to_ends(port: int) -> None:
    key = new_key("leaver", "read,generate", port=port)
    key_id = key.split("_")[1]
    with caller(key, port=port) as leaver:
        job_id = submit(leaver, 20_000)
        with leaver.stream("GET", f"/jobs/{job_id}/events") as events:
            lines = events.iter_lines()
            next(lines)
            assert run_in("gateway", "cdmt", "keys", "revoke", key_id, port=port).returncode == 0
            assert leaver.get("/models").status_code == 401
            for _ in lines:  # a stream that went on would end with the job alone
                pass
    admin = new_key("root", "admin", port=port)
    with caller(admin, port=port) as client:
        assert client.get(f"/jobs/{job_id}").json()["status"] not in FINAL
        assert client.post(f"/jobs/{job_id}/cancel").status_code == 202


def forged(key: str) -> dict[str, str]:
    """Credentials that look as if they let somebody in."""
    part = base64.urlsafe_b64encode
    unsigned = b".".join([part(b'{"alg":"none"}'), part(json.dumps({"sub": "ann", "roles": ["admin"]}).encode()), b""])
    last = "A" if key[-1] != "A" else "B"
    return {
        "a key with another end": f"Bearer {key[:-1]}{last}",
        "a key without its end": f"Bearer {key[:-1]}",
        "a token that nobody has signed": f"Bearer {unsigned.decode()}",
        "another kind of credentials": f"Basic {part(f'ann:{key}'.encode()).decode()}",
        "an id for a key": f"Bearer {key.split('_')[1]}",
    }


def test_what_is_forged_lets_nobody_in(key: str, port: int) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as stranger:
        for what, credentials in forged(key).items():
            assert stranger.get("/models", headers={"Authorization": credentials}).status_code == 401, what
        stranger.cookies.update({"cdmt-session": key, "__Host-cdmt-session": key})
        assert stranger.get("/models").status_code == 401
        assert stranger.get("/console/admin", follow_redirects=False).status_code in (303, 401)


# Paths and archives


@pytest.mark.parametrize(
    "path",
    [
        "/jobs/../../etc/passwd",
        "/jobs/..%2f..%2fkeys/cohort",
        "/models/%2e%2e%2f%2e%2e%2fkeys/archive",
        "/models/..%5c..%5ckeys/archive",
        "/models/challenge2012-v1%00/archive",
        "/console/static/../../../../etc/passwd",
        "/console/static/x/..%2f..%2f..%2fapp.py",
    ],
)
def test_no_path_leads_elsewhere(path: str, other: str, port: int) -> None:
    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=30)  # httpx would tidy the path up
    asked.request("GET", path, headers={"Authorization": f"Bearer {other}"})
    answer = asked.getresponse()
    assert answer.status in (400, 404, 422)
    assert b"root:" not in answer.read()
    asked.close()


def test_no_archive_writes_elsewhere_or_is_unpickled(other: str, port: int) -> None:
    with caller(other, port=port) as eve:
        files = unzipped(eve.get("/models/challenge2012-v1/archive").raise_for_status().content)
        pickled = b"\x80\x04cos\nsystem\n(S'touch " + planting.TRAP.encode() + b"'\ntR."
        for wrong in (
            {**files, "../../keys/mine.json": b"{}"},
            {**files, "/data/keys/mine.json": b"{}"},
            {**files, "weights.pt": pickled},
            {**files, "weights.safetensors": pickled},
        ):
            answer = eve.post("/models", files={"file": ("model.zip", zipped(wrong))})
            assert answer.status_code in (413, 422), answer.text
    assert run_in("gateway", "ls", "/data/keys/mine.json", planting.TRAP, port=port).stdout == ""


def test_many_bombs_at_once_leave_the_gateway_alive(other: str, port: int) -> None:
    bomb = one_value_many_times(b"x" * 50_000)
    before = compose("ps", "--quiet", "gateway", port=port).stdout
    with caller(other, port=port) as eve, ThreadPoolExecutor(8) as pool:
        sent = [
            pool.submit(eve.post, "/datasets", files={"file": ("b.parquet", bomb)}, data={"name": "bomb"})
            for _ in range(8)
        ]
        assert eve.get("/livez").status_code == 200
        assert [answer.result().status_code for answer in sent] == [413] * 8
        assert "bomb" not in {dataset["name"] for dataset in eve.get("/datasets").json()["items"]}
    inspected = ["docker", "inspect", before.strip(), "--format", "{{.State.OOMKilled}} {{.RestartCount}}"]
    assert subprocess.run(inspected, capture_output=True, text=True, check=True).stdout.strip() == "false 0"


# From inside


def test_what_is_planted_in_redis_is_not_run(client: httpx.Client, port: int) -> None:
    """By whoever has the worker's password, which may do the most there."""
    planted = run_in("worker-generate", "python3", "-c", Path(planting.__file__).read_text(), port=port)
    assert planted.stdout.split() == list(planting.PLANTED), planted.stderr
    job_id = submit(client, SHORT)
    check_cohort(client, wait(client, job_id, *FINAL), SHORT)
    for service in ("worker-generate", "gateway"):
        assert "No such file" in run_in(service, "ls", planting.TRAP, port=port).stderr
    for name in planting.PLANTED:  # all were taken from the queue
        assert "queued" not in redis("gateway", "HGET", f"rq:job:{name}", "status", port=port), name


TAMPER = """
import pathlib, sys
path = sorted(pathlib.Path("/data/audit").glob("*.jsonl"))[-1]
content = path.read_bytes()
lines = content.splitlines(keepends=True)
kept = {
    "changed": content.replace(b'"granted"', b'"refused"', 1),
    "cut": b"".join(lines[:-1]),
    "gap": b"".join(lines[:2] + lines[3:]),
    "moved": b"".join([lines[1], lines[0], *lines[2:]]),
    "whole": pathlib.Path("/tmp/kept").read_bytes() if pathlib.Path("/tmp/kept").exists() else content,
}
if sys.argv[1] != "whole":
    pathlib.Path("/tmp/kept").write_bytes(content)
path.write_bytes(kept[sys.argv[1]])
"""


@pytest.mark.parametrize("how", ["changed", "cut", "gap", "moved"])
def test_an_edited_audit_log_is_found_out(how: str, finished: str, port: int) -> None:
    assert run_in("gateway", "cdmt", "audit", "verify", port=port).returncode == 0
    assert run_in("gateway", "python3", "-c", TAMPER, how, port=port).returncode == 0
    try:
        found = run_in("gateway", "cdmt", "audit", "verify", port=port)
    finally:
        assert run_in("gateway", "python3", "-c", TAMPER, "whole", port=port).returncode == 0
    assert found.returncode == 1
    assert "PROBLEM: audit-000000000001.jsonl" in found.stdout
    assert run_in("gateway", "cdmt", "audit", "verify", port=port).returncode == 0


@pytest.fixture
def forgetful(port: int) -> Iterator[None]:
    """Afterwards a gateway that remembers no guesses: they are in its memory alone."""
    yield
    assert compose("restart", "gateway", port=port).returncode == 0
    assert compose("up", "--detach", "--wait", "--no-build", port=port).returncode == 0


@pytest.mark.usefixtures("forgetful")
def test_who_guesses_is_stopped_and_others_are_not(client: httpx.Client, port: int) -> None:
    assert client.get("/models").status_code == 200
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as stranger:
        guesses = [
            stranger.get(
                "/models",
                headers={"Authorization": f"Bearer cdmt_{n:012x}_{'A' * 43}", "X-Forwarded-For": f"10.0.0.{n}"},
            )
            for n in range(12)
        ]
    assert guesses[-1].status_code == 429
    assert int(guesses[-1].headers["Retry-After"]) >= 1
    assert client.get("/models").status_code == 200
