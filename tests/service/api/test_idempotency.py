from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from service.api.app import create_app
from service.api.views import ModelView
from service.contracts.idempotency import KeyStore
from service.contracts.job_store import JobStore
from service.contracts.settings import Settings
from service.contracts.storage import ArtifactStore
from tests.service.api.conftest import serving
from tests.service.api.test_bad_input import check_problem
from tests.service.making import add_model, finish_generate, parquet, table

REPLAYED = "idempotency-replayed"
GENERATE = {"model_id": "model-1", "n_stays": 2}


@pytest.fixture(autouse=True)
def _model(store: ArtifactStore) -> None:
    add_model(store)


def keyed(key: str, **more: str) -> dict[str, str]:
    return {"Idempotency-Key": key, **more}


def generate(client: httpx.Client, key: str, **change: object) -> httpx.Response:
    return client.post("/jobs/generate", json=GENERATE | change, headers=keyed(key))


def check_replay(first: httpx.Response, again: httpx.Response) -> None:
    assert first.is_success, first.text
    assert REPLAYED not in first.headers
    assert again.headers[REPLAYED] == "true"
    assert (again.status_code, again.content) == (first.status_code, first.content)
    for header in ("location", "content-type", "retry-after"):
        assert again.headers.get(header) == first.headers.get(header)
    assert again.headers["x-request-id"] != first.headers["x-request-id"]


def test_a_generation_that_is_asked_for_twice_is_made_once(client: httpx.Client, store: ArtifactStore) -> None:
    first = generate(client, "generate-1", seed=3)
    finish_generate(store, first.json()["id"])
    reordered = b'{"seed": 3, "n_stays": 2,\n "model_id": "model-1"}'
    headers = keyed("generate-1", **{"Content-Type": "application/json"})
    again = client.post("/jobs/generate", content=reordered, headers=headers)
    check_replay(first, again)
    assert again.json()["status"] == "queued"  # the answer as it was; where the job is now, says the job
    assert len(store.ids("jobs")) == 1


def test_the_other_jobs_are(client: httpx.Client, store: ArtifactStore) -> None:
    dataset_id = client.post("/datasets", files={"file": ("t", parquet(table()))}).json()["id"]
    cohort = client.post("/jobs/generate", json=GENERATE).json()["id"]
    finish_generate(store, cohort)

    def train() -> httpx.Response:
        return client.post("/jobs/train", json={"dataset_id": dataset_id, "name": "a"}, headers=keyed("train-1"))

    def compare() -> httpx.Response:
        body = {"dataset_id": dataset_id, "job_id": cohort}
        return client.post("/jobs/evaluate", json=body, headers=keyed("evaluate-1"))

    def upload(n_stays: int = 40) -> httpx.Response:
        files = {"file": ("t.parquet", parquet(table(n_stays)))}
        data = {"dataset_id": dataset_id}
        return client.post("/jobs/evaluate", files=files, data=data, headers=keyed("evaluate-2"))

    for ask in (train, compare, upload):
        check_replay(ask(), ask())
    assert len(store.ids("jobs")) == 4
    check_problem(upload(30), 422, "Idempotency-Key")
    assert list(store.staging_root.iterdir()) == []


def test_uploads_are(client: httpx.Client, store: ArtifactStore) -> None:
    def upload(name: str = "a") -> httpx.Response:
        files = {"file": ("t.parquet", parquet(table()))}
        return client.post("/datasets", files=files, data={"name": name}, headers=keyed("dataset-1"))

    check_replay(upload(), upload())
    check_problem(upload("b"), 422, "Idempotency-Key")
    assert len(store.ids("datasets")) == 1
    assert list(store.staging_root.iterdir()) == []


def import_model(client: httpx.Client, archive: bytes, key: str) -> httpx.Response:
    return client.post("/models", files={"file": ("model.zip", archive)}, headers=keyed(key))


def test_imports_are(client: httpx.Client, store: ArtifactStore) -> None:
    archive = client.get("/models/model-1/archive").content
    client.delete("/models/model-1")
    first = import_model(client, archive, "model-1")
    check_replay(first, import_model(client, archive, "model-1"))
    check_problem(import_model(client, archive, "model-2"), 409, "model-1")


def test_an_import_that_was_cut_off_after_it_was_done_is_done(client: httpx.Client, store: ArtifactStore) -> None:
    archive = client.get("/models/model-1/archive").content
    client.delete("/models/model-1")
    made = import_model(client, archive, "model-1").json()
    keys = KeyStore(store.root)
    for folder in keys.root.iterdir():
        text = (folder / "record.json").read_text()
        (folder / "record.json").write_text(text[: text.index('"answer"')] + '"answer": null}')
    resumed = import_model(client, archive, "model-1")
    assert resumed.status_code == 201
    assert ModelView.model_validate(resumed.json()) == ModelView.model_validate(made)


@pytest.mark.parametrize("change", [{"n_stays": 3}, {"seed": 1}])
def test_a_key_with_another_body_is_refused(client: httpx.Client, store: ArtifactStore, change: dict[str, int]) -> None:
    assert generate(client, "reused").status_code == 202
    check_problem(generate(client, "reused", **change), 422, "Idempotency-Key")
    assert len(store.ids("jobs")) == 1


def test_a_key_with_another_path_is_refused(client: httpx.Client) -> None:
    dataset_id = client.post("/datasets", files={"file": ("t", parquet(table()))}).json()["id"]
    assert generate(client, "path").status_code == 202
    body = {"dataset_id": dataset_id, "name": "a"}
    check_problem(client.post("/jobs/train", json=body, headers=keyed("path")), 422, "Idempotency-Key")


def test_a_request_that_was_refused_leaves_its_key_free(client: httpx.Client, store: ArtifactStore) -> None:
    check_problem(generate(client, "free", model_id="model-9"), 404)
    check_problem(generate(client, "free", n_stays=0), 422)
    first = generate(client, "free")
    assert first.status_code == 202
    assert REPLAYED not in first.headers


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "a\x7fb", "ä"])
def test_bad_keys(client: httpx.Client, store: ArtifactStore, key: str) -> None:
    response = client.post("/jobs/generate", json=GENERATE, headers={b"Idempotency-Key": key.encode("latin-1")})
    assert check_problem(response, 422)["errors"][0]["pointer"] == "Idempotency-Key"
    assert store.ids("jobs") == []


def test_the_longest_key(client: httpx.Client) -> None:
    check_replay(generate(client, "x" * 255), generate(client, "x" * 255))


def wait_for_job(jobs: JobStore) -> str:
    deadline = time.monotonic() + 60
    while not (found := jobs.store.ids("jobs")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found[0]


def test_while_the_first_request_waits_for_its_answer_the_others_hear_so(
    client: httpx.Client, store: ArtifactStore, jobs: JobStore
) -> None:
    answers: list[httpx.Response] = []

    def ask() -> None:
        headers = keyed("waits", Prefer="wait=20")
        answers.append(client.post("/jobs/generate", json=GENERATE, headers=headers))

    first = threading.Thread(target=ask)
    first.start()
    job_id = wait_for_job(jobs)
    in_flight = generate(client, "waits")
    check_problem(in_flight, 409, "Idempotency-Key")
    assert in_flight.headers["retry-after"] == "1"
    finish_generate(store, job_id)
    first.join()
    again = generate(client, "waits")
    assert answers[0].status_code == 200
    check_replay(answers[0], again)
    assert again.json()["status"] == "succeeded"


def test_many_at_once_make_one(client: httpx.Client, store: ArtifactStore) -> None:
    answers: list[httpx.Response] = []
    threads = [threading.Thread(target=lambda: answers.append(generate(client, "many"))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len({answer.json()["id"] for answer in answers if answer.is_success}) == 1
    assert len(store.ids("jobs")) == 1


def test_without_redis_nothing_is_made_and_the_key_stays_free(tmp_path: Path, valkey_url: str, redis: Redis) -> None:
    settings = Settings(data_dir=tmp_path)
    store = ArtifactStore(tmp_path)
    add_model(store)
    with serving(create_app(settings, redis_url="redis://127.0.0.1:1")) as client:
        check_problem(generate(client, "later"), 503)
        assert store.ids("jobs") == []
    with serving(create_app(settings, redis_url=valkey_url)) as client:
        first = generate(client, "later")
        assert REPLAYED not in first.headers
    with serving(create_app(settings, redis_url=valkey_url)) as client:  # a restart forgets nothing
        check_replay(first, generate(client, "later"))


@contextmanager
def process_of_gateway(folder: Path, redis_url: str) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "CDMT_DATA_DIR": str(folder), "CDMT_PORT": str(port), "CDMT_REDIS_URL": redis_url}
    with (folder.parent / "log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-m", "service"], env=environment, stdout=log, stderr=log)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        deadline = time.monotonic() + 60
        while not is_alive(client):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        try:
            yield process, client
        finally:
            process.kill()
            process.wait()


def is_alive(client: httpx.Client) -> bool:
    try:
        return client.get("/livez").is_success
    except httpx.TransportError:
        return False


def test_a_gateway_killed_between_record_and_answer_makes_no_second_job(
    tmp_path: Path, valkey_url: str, redis: Redis
) -> None:
    folder = tmp_path / "var"
    store = ArtifactStore(folder)
    add_model(store)
    lost: list[Exception] = []

    def ask(client: httpx.Client) -> None:
        try:
            client.post("/jobs/generate", json=GENERATE, headers=keyed("killed", Prefer="wait=30"))
        except httpx.TransportError as error:
            lost.append(error)

    with process_of_gateway(folder, valkey_url) as (process, client):
        asking = threading.Thread(target=ask, args=(client,))
        asking.start()
        job_id = wait_for_job(JobStore(store))
        process.kill()
        asking.join()
    assert len(lost) == 1
    with process_of_gateway(folder, valkey_url) as (_, client):
        resumed = generate(client, "killed")
        assert (resumed.status_code, resumed.json()["id"]) == (202, job_id)
        assert resumed.headers[REPLAYED] == "true"
        again = generate(client, "killed")
        assert again.content == resumed.content
        assert again.headers[REPLAYED] == "true"
        assert store.ids("jobs") == [job_id]
        answers: list[Any] = [client.get(f"/jobs/{job_id}").json()["queue_position"]]
        while answers[-1] != 0 and len(answers) < 100:
            answers.append(client.get(f"/jobs/{job_id}").json()["queue_position"])
        assert answers[-1] == 0


def test_a_full_disk_after_the_job_is_made_does_not_hide_it(
    client: httpx.Client, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "full")

    with monkeypatch.context() as patch:
        patch.setattr("service.contracts.idempotency.HeldKey.keep", full)
        first = generate(client, "full")
    assert first.status_code == 202
    again = generate(client, "full")
    assert again.json()["id"] == first.json()["id"]
    assert again.headers[REPLAYED] == "true"
    assert len(store.ids("jobs")) == 1
