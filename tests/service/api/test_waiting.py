from __future__ import annotations

import statistics
import threading
import time

import pytest
from redis import Redis

from service.api.app import create_app
from service.contracts import live
from service.contracts.settings import Settings
from service.contracts.storage import ArtifactStore
from tests.service.api.conftest import serving
from tests.service.api.test_bad_input import check_problem, wait_until
from tests.service.making import add_model, finish_generate

BODY = {"model_id": "model-1", "n_stays": 2}
WAIT = {"Prefer": "wait=20"}


def test_the_answer_comes_with_the_end_of_the_job(
    settings: Settings, valkey_url: str, store: ArtifactStore, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.api.watch.LOOK_SECONDS", 60.0)  # nobody looks unless there is news
    add_model(store)
    app = create_app(settings, redis_url=valkey_url)
    ends: list[float] = []

    def finish() -> None:
        wait_until(lambda: app.state.services.watch.n_listeners == 1)
        time.sleep(0.05)
        job_id = next(app.state.services.jobs.active()).id
        finish_generate(store, job_id)
        ends.append(time.monotonic())
        live.clear(redis, job_id)

    waits = []
    with serving(app) as client:
        for _ in range(5):
            worker = threading.Thread(target=finish)
            worker.start()
            answer = client.post("/jobs/generate", json=BODY, headers=WAIT)
            waits.append(time.monotonic() - ends[-1])
            worker.join()
            assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")
    assert statistics.median(waits) < 0.1


def test_a_job_that_is_removed_while_somebody_waits(
    settings: Settings, valkey_url: str, store: ArtifactStore, redis: Redis
) -> None:
    add_model(store)
    app = create_app(settings, redis_url=valkey_url)

    def remove() -> None:
        wait_until(lambda: app.state.services.watch.n_listeners == 1)
        job_id = next(app.state.services.jobs.active()).id
        store.remove("jobs", job_id)
        live.announce(redis, job_id)

    with serving(app) as client:
        worker = threading.Thread(target=remove)
        worker.start()
        check_problem(client.post("/jobs/generate", json=BODY, headers=WAIT), 404)
        worker.join()
