from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx
import pytest
from fastapi import FastAPI
from redis import Redis

from service.api.app import create_app
from service.api.watch import LOOK_SECONDS, JobWatch
from service.connection import connect_for_news
from service.contracts import live
from service.contracts.job_store import JobStore
from service.contracts.jobs import JobError, JobState, now
from service.contracts.settings import Settings
from service.contracts.storage import ArtifactStore
from tests.service.api.conftest import serving
from tests.service.api.test_bad_input import check_problem, wait_until
from tests.service.making import add_job, add_model, finish_generate

HALF = live.Progress(step="sampling", value=1, max=2, eta_seconds=0.5)


class Event(NamedTuple):
    kind: str
    id: str
    data: dict[str, Any]


def become(jobs: JobStore, job_id: str, status: JobState, **change: object) -> None:
    jobs.transition(job_id, lambda job: job.model_copy(update={"status": status, **change}))


@contextmanager
def listening(client: httpx.Client, job_id: str, *, last: str | None = None) -> Iterator[Iterator[Event]]:
    headers = {"Last-Event-ID": last} if last else {}
    with client.stream("GET", f"/jobs/{job_id}/events", headers=headers) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-cache"
        yield parsed(response.iter_lines())


def parsed(lines: Iterator[str]) -> Iterator[Event]:
    fields: dict[str, str] = {}
    for line in lines:
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            yield Event(fields["event"], fields["id"], json.loads(fields["data"]))
            fields = {}


def told(client: httpx.Client, job_id: str, *, last: str | None = None) -> list[Event]:
    with listening(client, job_id, last=last) as events:
        return list(events)


def statuses(events: list[Event]) -> list[str]:
    return [event.data["status"] for event in events if event.kind == "state"]


def test_a_job_is_followed_to_its_end(client: httpx.Client, store: ArtifactStore, redis: Redis) -> None:
    jobs = JobStore(store)
    add_job(store, "job-1")
    with listening(client, "job-1") as events:
        queued = next(events)
        links = {"self": "/jobs/job-1", "cancel": "/jobs/job-1/cancel", "events": "/jobs/job-1/events"}
        assert (queued.kind, queued.id, queued.data["status"], queued.data["id"]) == ("state", "1", "queued", "job-1")
        assert queued.data["links"] == links | {"cohort": None, "report": None, "model": None}
        become(jobs, "job-1", "running")
        running = next(events)
        assert (running.kind, running.id, running.data["status"]) == ("state", "2", "running")
        live.write_progress(redis, "job-1", HALF)
        progress = next(events)
        assert (progress.kind, progress.data) == ("progress", HALF.model_dump(mode="json"))
        assert progress.id.startswith("2.")
        finish_generate(store, "job-1")
        ended = next(events)
        assert (ended.kind, ended.id, ended.data["status"]) == ("state", "3", "succeeded")
        assert ended.data["links"]["cohort"] == "/jobs/job-1/cohort"
        assert list(events) == []


def test_whoever_comes_late_hears_everything(client: httpx.Client, store: ArtifactStore, jobs: JobStore) -> None:
    add_job(store, "job-1")
    become(jobs, "job-1", "running")
    become(jobs, "job-1", "queued")
    become(jobs, "job-1", "running", attempts=2)
    error = JobError(type="urn:cdmt:problem:worker-lost", title="lost", detail="its worker was lost")
    become(jobs, "job-1", "failed", error=error, finished_at=now())
    events = told(client, "job-1")
    assert statuses(events) == ["queued", "running", "queued", "running", "failed"]
    assert [event.id for event in events] == ["1", "2", "3", "4", "5"]
    assert [event.data["error"] for event in events] == [None] * 4 + [error.model_dump()]


@pytest.mark.parametrize(
    ("last", "heard"),
    [
        ("1", ["running", "cancelling", "cancelled"]),
        ("2", ["cancelling", "cancelled"]),
        ("2.0123abcd", ["cancelling", "cancelled"]),
        ("3", ["cancelled"]),
        ("0", ["queued", "running", "cancelling", "cancelled"]),
        ("99", ["queued", "running", "cancelling", "cancelled"]),
        ("nonsense", ["queued", "running", "cancelling", "cancelled"]),
        ("2x", ["queued", "running", "cancelling", "cancelled"]),
        ("-1", ["queued", "running", "cancelling", "cancelled"]),
    ],
)
def test_whoever_comes_back_misses_nothing(
    client: httpx.Client, store: ArtifactStore, jobs: JobStore, last: str, heard: list[str]
) -> None:
    add_job(store, "job-1")
    for status in ("running", "cancelling", "cancelled"):
        become(jobs, "job-1", status)
    assert statuses(told(client, "job-1", last=last)) == heard


def test_whoever_has_heard_everything_need_not_come_back(
    client: httpx.Client, store: ArtifactStore, jobs: JobStore
) -> None:
    add_job(store, "job-1")
    become(jobs, "job-1", "cancelled")
    answer = client.get("/jobs/job-1/events", headers={"Last-Event-ID": "2"})
    assert (answer.status_code, answer.content) == (204, b"")


def test_progress_that_is_known_is_not_told_again(
    client: httpx.Client, store: ArtifactStore, jobs: JobStore, redis: Redis
) -> None:
    add_job(store, "job-1")
    become(jobs, "job-1", "running")
    live.write_progress(redis, "job-1", HALF)
    with listening(client, "job-1") as events:
        last = [next(events) for _ in range(3)][-1]
    with listening(client, "job-1", last=last.id) as events:
        more = HALF.model_copy(update={"value": 2})
        live.write_progress(redis, "job-1", more)
        assert next(events).data == more.model_dump(mode="json")


def test_a_job_of_before_changes_were_kept_still_ends(
    client: httpx.Client, store: ArtifactStore, jobs: JobStore
) -> None:
    add_job(store, "job-1")
    become(jobs, "job-1", "cancelled")
    path = store.directory("jobs", "job-1") / "record.json"
    record = json.loads(path.read_text())
    del record["changes"]
    path.write_text(json.dumps(record))
    assert statuses(told(client, "job-1")) == ["queued", "cancelled"]


def test_a_job_that_is_not_there_or_goes_away(client: httpx.Client, store: ArtifactStore) -> None:
    check_problem(client.get("/jobs/nothing/events"), 404)
    add_job(store, "job-1")
    with listening(client, "job-1") as events:
        next(events)
        store.remove("jobs", "job-1")
        assert list(events) == []


def test_head_is_answered_at_once(client: httpx.Client, store: ArtifactStore) -> None:
    add_job(store, "job-1")
    head = client.head("/jobs/job-1/events")
    assert head.status_code == 200
    assert head.headers["content-type"].startswith("text/event-stream")


def test_silence_is_broken_by_comments(
    client: httpx.Client, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastapi.routing._PING_INTERVAL", 0.1)
    add_job(store, "job-1")
    with client.stream("GET", "/jobs/job-1/events") as response:
        comments = (line for line in response.iter_lines() if line.startswith(":"))
        assert [next(comments) for _ in range(2)] == [": ping", ": ping"]


class Listened(NamedTuple):
    client: httpx.Client
    watch: JobWatch


@pytest.fixture
def listened(settings: Settings, valkey_url: str, redis: Redis) -> Iterator[Listened]:
    """A gateway of whose listeners the test can ask."""
    app: FastAPI = create_app(settings, redis_url=valkey_url)
    with serving(app) as client:
        yield Listened(client, app.state.services.watch)


def test_a_client_that_goes_away_frees_everything(listened: Listened, store: ArtifactStore) -> None:
    add_job(store, "job-1")
    with listening(listened.client, "job-1") as events, listening(listened.client, "job-1") as others:
        next(events), next(others)
        assert listened.watch.n_listeners == 2
    wait_until(lambda: listened.watch.n_listeners == 0)
    wait_until(lambda: listened.watch._watcher is None)
    assert listened.watch._watched == {}


def test_a_client_that_does_not_read_holds_up_nobody(listened: Listened, store: ArtifactStore, redis: Redis) -> None:
    jobs = JobStore(store)
    add_job(store, "job-1")
    base = listened.client.base_url
    with socket.create_connection((base.host, base.port or 0)) as deaf:
        deaf.sendall(b"GET /jobs/job-1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with listening(listened.client, "job-1") as events:
            next(events)
            become(jobs, "job-1", "running")
            assert next(events).data["status"] == "running"
            become(jobs, "job-1", "failed")
            assert statuses(list(events)) == ["failed"]


def test_without_redis_states_are_told_all_the_same(settings: Settings, store: ArtifactStore) -> None:
    jobs = JobStore(store)
    add_job(store, "job-1")
    become(jobs, "job-1", "running")
    with serving(create_app(settings, redis_url="redis://127.0.0.1:1")) as client, listening(client, "job-1") as events:
        assert [next(events).data["status"] for _ in range(2)] == ["queued", "running"]
        become(jobs, "job-1", "failed")
        assert statuses(list(events)) == ["failed"]


def test_news_is_told_at_once(
    listened: Listened, store: ArtifactStore, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.api.watch.LOOK_SECONDS", 60.0)
    jobs = JobStore(store)
    add_job(store, "job-1")
    with listening(listened.client, "job-1") as events:
        next(events)
        become(jobs, "job-1", "running")
        live.write_progress(redis, "job-1", HALF)
        assert [next(events).kind for _ in range(2)] == ["state", "progress"]
        become(jobs, "job-1", "cancelled")
        live.announce(redis, "job-1")
        assert next(events).data["status"] == "cancelled"


def test_two_hundred_listeners_cost_one_look(listened: Listened, store: ArtifactStore) -> None:
    jobs = JobStore(store)
    add_model(store)
    for n in range(10):
        add_job(store, f"job-{n}")
    reads = counted(listened.watch)

    async def follow(client: httpx.AsyncClient, job_id: str) -> list[str]:
        async with client.stream("GET", f"/jobs/{job_id}/events") as response:
            return [line async for line in response.aiter_lines() if line.startswith("data: ")]

    async def follow_all() -> list[list[str]]:
        limits = httpx.Limits(max_connections=200)
        async with httpx.AsyncClient(base_url=listened.client.base_url, timeout=60, limits=limits) as client:
            all_of_them = [asyncio.create_task(follow(client, f"job-{n % 10}")) for n in range(200)]
            while listened.watch.n_listeners < 200:
                await asyncio.sleep(0.05)
            threads = threading.active_count()
            before, start = len(reads), time.monotonic()
            await asyncio.sleep(2)
            seconds = time.monotonic() - start
            assert len(reads) - before <= seconds / LOOK_SECONDS + 1  # one look for all
            assert threading.active_count() <= threads + 1
            for n in range(10):
                become(jobs, f"job-{n}", "cancelled")
            return await asyncio.gather(*all_of_them)

    heard = asyncio.run(follow_all())
    assert [len(lines) for lines in heard] == [2] * 200
    assert all('"status":"cancelled"' in lines[-1] for lines in heard)
    wait_until(lambda: listened.watch.n_listeners == 0)


def test_after_an_error_that_nobody_foresaw_the_next_listener_hears_again(
    store: ArtifactStore, redis: Redis, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = JobStore(store)
    add_job(store, "job-1")
    watch = JobWatch(jobs=jobs, redis=redis, news=connect_for_news(valkey_url))
    look = watch._look

    async def last_of(job_id: str) -> str:
        return [snapshot.record.status async for snapshot in watch.snapshots(job_id)][-1]

    async def listen() -> str:
        first = asyncio.create_task(last_of("job-1"))
        await asyncio.sleep(0.2)
        monkeypatch.setattr(watch, "_look", lambda _ids: 1 / 0)
        await asyncio.sleep(1.2)
        monkeypatch.setattr(watch, "_look", look)
        second = asyncio.create_task(last_of("job-1"))
        await asyncio.sleep(0.2)
        become(jobs, "job-1", "cancelled")
        jobs.remove("job-1")
        assert await asyncio.wait_for(first, 60) in ("queued", "cancelled")
        return await asyncio.wait_for(second, 60)

    assert asyncio.run(listen()) in ("queued", "cancelled")


def counted(watch: JobWatch) -> list[int]:
    """How many jobs are looked at, look by look."""
    looks: list[int] = []
    look: Callable[[Any], Any] = watch._look

    def counting(job_ids: list[str]) -> Any:
        looks.append(len(job_ids))
        return look(job_ids)

    watch._look = counting  # type: ignore[method-assign, assignment]
    return looks
