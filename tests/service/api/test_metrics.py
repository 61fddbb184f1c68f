from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis
from rq.worker import Worker

from service.api.app import create_app
from service.contracts.figures import Figures, GpuMemory, Vitals
from service.contracts.installation import installation_id
from service.contracts.job_store import JobStore
from service.contracts.jobs import queue_name
from service.contracts.settings import Settings
from service.contracts.storage import ArtifactStore
from service.jobs import JobQueue
from tests.service.api.conftest import serving
from tests.service.making import add_job, add_model, finish_generate

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-")


def samples(client: httpx.Client) -> dict[tuple[str, ...], float]:
    """Name and values of the labels, in order of their names -> value."""
    text = client.get("/metrics").raise_for_status().text
    assert not UUID.search(text)
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_jobs_are_counted_by_kind_and_state(tmp_path: Path, valkey_url: str, redis: Redis) -> None:
    settings = Settings(data_dir=tmp_path, reconcile_every_seconds=0.2)
    store = ArtifactStore(tmp_path)
    add_model(store)
    for number in range(3):
        add_job(store, f"job-{number}")
    finish_generate(store, "job-1")
    with serving(create_app(settings, redis_url=valkey_url)) as client:
        found = samples(client)
        while ("cdmt_jobs", "generate", "queued") not in found or found["cdmt_queue_jobs", "generate"] < 2:
            found = samples(client)
    assert found["cdmt_jobs", "generate", "queued"] == 2
    assert found["cdmt_jobs", "generate", "succeeded"] == 1
    assert found["cdmt_jobs", "train", "running"] == 0
    assert found["cdmt_queue_jobs", "generate"] == 2
    assert 0 <= found["cdmt_queue_oldest_seconds", "generate"] < 60
    assert found["cdmt_queue_oldest_seconds", "train"] == 0


def test_what_workers_counted_is_told_by_a_gateway_that_has_just_begun(
    client: httpx.Client, redis: Redis, store: ArtifactStore, jobs: JobStore
) -> None:
    add_model(store)
    add_job(store, "job-1")
    finish_generate(store, "job-1")
    figures = Figures(redis, installation_id(store.root))
    figures.job_ended(jobs.read("job-1"))
    figures.model_taken("warm")
    found = samples(client)
    assert found["cdmt_job_duration_seconds_count", "generate", "succeeded"] == 1
    assert found["cdmt_job_duration_seconds_bucket", "generate", "1", "succeeded"] == 1
    assert found["cdmt_job_duration_seconds_bucket", "generate", "+Inf", "succeeded"] == 1
    assert found["cdmt_stays_generated_total",] == 2
    assert found["cdmt_model_cache_total", "warm"] == 1
    assert found["cdmt_redis_up",] == 1


def test_workers_and_their_gpus_are_told_while_they_live(
    client: httpx.Client, redis: Redis, store: ArtifactStore, queue: JobQueue
) -> None:
    installation = installation_id(store.root)
    idle, busy, dead = (
        Worker([queue_name("generate", installation)], name, connection=redis, serializer="json")
        for name in ("idle", "busy", "dead")
    )
    for worker, state in ((idle, "idle"), (busy, "busy"), (dead, "busy")):
        worker.register_birth()  # type: ignore[no-untyped-call]
        worker.set_state(state)
    redis.delete(dead.key)
    for name in ("busy", "dead"):
        Figures(redis, installation).vitals_of(
            name, Vitals(device="H100", resident=1, gpu=GpuMemory(allocated=10, reserved=20, total=100))
        )
    found = samples(client)
    assert found["cdmt_workers", "generate", "idle"] == found["cdmt_workers", "generate", "busy"] == 1
    assert found["cdmt_workers", "train", "idle"] == 0
    assert found["cdmt_gpu_memory_bytes", "reserved", "generate"] == 20
    assert not any(key[0] == "cdmt_gpu_memory_bytes" and key[2] == "train" for key in found)


@pytest.mark.parametrize(
    ("method", "path", "route", "status"),
    [
        ("GET", "/jobs/01890a5d-ac96-774b-bcce-b302099a8057", "/jobs/{job_id}", 404),
        ("HEAD", "/jobs/some-job/report.html", "/jobs/{job_id}/report.html", 404),
        ("POST", "/jobs/generate", "/jobs/generate", 422),
        ("GET", "/models/whatever/archive", "/models/{model_id}/archive", 404),
        ("GET", "/no/such/route", "unmatched", 404),
        ("BREW", "/livez", "/livez", 405),
    ],
)
def test_requests_are_counted_by_their_route(
    client: httpx.Client, method: str, path: str, route: str, status: int
) -> None:
    key = ("cdmt_http_requests_total", method if method != "BREW" else "other", route, str(status))
    before = samples(client).get(key, 0)
    answer = client.request(method, path, headers={"Content-Type": "application/json"}, content=b"{}")
    assert answer.status_code == status
    assert samples(client)[key] == before + 1


def test_without_redis_the_rest_is_told(tmp_path: Path) -> None:
    with serving(create_app(Settings(data_dir=tmp_path), redis_url="redis://127.0.0.1:1")) as client:
        client.get("/livez")
        found = samples(client)
    assert found["cdmt_redis_up",] == 0
    assert found["cdmt_http_requests_total", "GET", "/livez", "200"] == 1
    assert not any(key[0].startswith("cdmt_queue") for key in found)


@pytest.mark.parametrize(("field", "value"), [("stays", "x"), ("ended|a|b|c|d", "1"), (b"\xff", "1")])
def test_where_redis_holds_what_nobody_counted_the_rest_is_told(
    client: httpx.Client, redis: Redis, settings: Settings, field: str | bytes, value: str
) -> None:
    redis.hset(f"cdmt:{installation_id(settings.data_dir)}:figures", field, value)
    found = samples(client)
    assert found["cdmt_redis_up",] == 0
    assert any(key[0] == "cdmt_http_requests_total" for key in found)
