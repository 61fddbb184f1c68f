"""To update the golden OpenAPI document after a wanted change of the API:

python -m tests.service.api.test_app
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from service.api.app import create_app
from service.contracts.installation import installation_id
from service.contracts.jobs import queue_name
from service.contracts.settings import Settings
from service.contracts.storage import ArtifactStore
from tests.service.api.conftest import serving
from tests.service.making import add_model

GOLDEN = Path(__file__).parents[1] / "golden" / "openapi.json"


def document() -> str:
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(Settings(data_dir=Path(folder)), redis_url="redis://127.0.0.1:1")
        openapi = app.openapi() | {"info": {"title": app.title}}  # the version is not part of the contract
    return json.dumps(openapi, indent=1, sort_keys=True) + "\n"


def test_the_api_is_as_promised() -> None:
    assert document() == GOLDEN.read_text(), (
        "the API has changed; if you want that: python -m tests.service.api.test_app"
    )


def test_the_gateway_starts_without_torch() -> None:
    heavy = ("torch", "sklearn", "scipy")
    code = f"import service.__main__, sys; sys.exit(', '.join(name for name in {heavy} if name in sys.modules) or 0)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_documentation_needs_nothing_from_outside(client: httpx.Client) -> None:
    page = client.get("/docs").text
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert sources
    assert all(source.startswith("/") and client.get(source).is_success for source in sources)
    assert client.get("/openapi.json").json()["paths"]["/jobs/generate"]
    assert client.get("/", follow_redirects=True).text == page


def test_every_operation_can_end_in_a_problem(client: httpx.Client) -> None:
    paths: dict[str, Any] = client.get("/openapi.json").json()["paths"]
    for path in paths.values():
        for operation in path.values():
            assert list(operation["responses"]["default"]["content"]) == ["application/problem+json"]
            assert "422" not in operation["responses"]


@pytest.mark.parametrize("given", ["abc-123", "x" * 128, "!~"])
def test_a_request_id_is_taken(client: httpx.Client, given: str) -> None:
    assert client.get("/livez", headers={"X-Request-ID": given}).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "x" * 129, "two words", "ä"])
def test_or_made(client: httpx.Client, given: str) -> None:
    made = client.get("/livez", headers={b"X-Request-ID": given.encode()}).headers["x-request-id"]
    assert re.fullmatch(r"[0-9a-f-]{36}", made)
    assert client.get("/nothing").json()["request_id"] != made


@pytest.mark.parametrize("path", ["/livez", "/jobs", "/docs", "/openapi.json", "/", "/nothing"])
def test_head_is_answered_as_get_is(client: httpx.Client, path: str) -> None:
    head, get = client.head(path), client.get(path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers.get("content-type") == get.headers.get("content-type")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/datasets", "GET, HEAD, POST"),
        ("POST", "/jobs/some-job", "DELETE, GET, HEAD"),
        ("OPTIONS", "/livez", "GET, HEAD"),
        ("POST", "/docs", "GET, HEAD"),
    ],
)
def test_a_wrong_method_is_told_all_that_are_right(client: httpx.Client, method: str, path: str, allow: str) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.headers["Allow"]) == (405, allow)


def test_nobody_is_sent_to_another_host(client: httpx.Client) -> None:
    answer = client.get("/jobs/", headers={"Host": "localhost"})
    assert (answer.status_code, answer.headers.get("location")) == (404, None)


def test_alive(client: httpx.Client) -> None:
    assert client.get("/livez").json() == {"status": "alive"}


def test_ready_when_a_worker_lives(client: httpx.Client, redis: Redis, store: ArtifactStore) -> None:
    missing = client.get("/readyz")
    assert missing.status_code == 503
    assert [error["pointer"] for error in missing.json()["errors"]] == ["worker"]
    redis.sadd(f"rq:workers:{queue_name('generate', installation_id(store.root))}", "rq:worker:one")
    redis.hset("rq:worker:one", "birth", "now")
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json() == {"status": "ready", "workers": {"train": 0, "generate": 1, "evaluate": 0}}


def test_without_redis_the_gateway_lives_and_says_what_is_missing(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    store = ArtifactStore(tmp_path)
    add_model(store)
    with serving(create_app(settings, redis_url="redis://127.0.0.1:1")) as client:
        assert client.get("/livez").is_success
        assert [error["pointer"] for error in client.get("/readyz").json()["errors"]] == ["redis"]
        refused = client.post("/jobs/generate", json={"model_id": "model-1", "n_stays": 1})
        assert refused.status_code == 503
        assert "retry-after" in refused.headers
        assert client.get("/jobs").json()["items"] == []
        store.staging_root.rmdir()
        store.staging_root.touch()
        assert [error["pointer"] for error in client.get("/readyz").json()["errors"]] == ["store", "redis"]


def test_jobs_that_redis_lost_come_back_when_the_gateway_starts(
    settings: Settings, store: ArtifactStore, redis: Redis, valkey_url: str
) -> None:
    add_model(store)
    with serving(create_app(settings, redis_url=valkey_url)) as client:
        job_id = client.post("/jobs/generate", json={"model_id": "model-1", "n_stays": 1}).json()["id"]
        redis.flushall()
    assert redis.keys("rq:queue:*") == []
    with serving(create_app(settings, redis_url=valkey_url)) as client:
        for _ in range(100):
            if client.get(f"/jobs/{job_id}").json()["queue_position"] == 0:
                return
    pytest.fail("the job did not come back")


def test_what_crashed_processes_left_in_staging_is_swept_again_and_again(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, reconcile_every_seconds=0.05)
    store = ArtifactStore(tmp_path)
    with serving(create_app(settings, redis_url="redis://127.0.0.1:1")):
        left = store.staging_root / "left"
        left.mkdir()
        os.utime(left, (1, 1))
        deadline = time.monotonic() + 60
        while left.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)


if __name__ == "__main__":
    GOLDEN.write_text(document())
