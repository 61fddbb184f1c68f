from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import httpx
import pytest
from redis import Redis

from service.api.app import create_app
from service.api.deps import Services
from service.api.retention import sweep_expired, sweep_old
from service.contracts.job_store import JobStore
from service.contracts.jobs import JobRecord, now
from service.contracts.requests import EvaluateRequest, GenerateRequest
from service.contracts.settings import Settings
from service.contracts.storage import RECORD, ArtifactStore, Kind, write_record
from tests.service.api.conftest import serving
from tests.service.api.test_bad_input import wait_until
from tests.service.making import add_job, add_model, finish_generate, parquet, table

AT_ONCE = 1e-6


class Swept(NamedTuple):
    client: httpx.Client
    services: Services


@pytest.fixture
def swept(settings: Settings, valkey_url: str, redis: Redis) -> Iterator[Swept]:
    """A gateway whose sweeper is asleep."""
    app = create_app(settings, redis_url=valkey_url)
    with serving(app) as client:
        yield Swept(client, app.state.services)


def sweep(services: Services) -> int:
    list(services.jobs.active())  # as the reconciler does, which comes first
    return sweep_expired(services)


def test_what_has_expired_goes_with_all_that_it_made(swept: Swept, store: ArtifactStore) -> None:
    add_model(store)
    for job_id in ("expired", "kept", "running"):
        add_job(store, job_id)
    finish_generate(store, "expired", retention_seconds=AT_ONCE)
    finish_generate(store, "kept", retention_seconds=3600)
    shown = swept.client.get("/jobs/kept").json()
    assert shown["expires_at"] > shown["finished_at"]
    assert sweep(swept.services) == 1
    assert swept.client.get("/jobs/expired").status_code == 404
    assert swept.client.get("/jobs/expired/cohort").status_code == 404
    assert not store.exists("cohorts", "expired")
    assert not store.exists("reports", "expired")
    assert store.exists("cohorts", "kept")
    assert store.ids("jobs") == ["running", "kept"]
    assert store.exists("models", "model-1")
    assert sweep(swept.services) == 0
    assert list(store.staging_root.iterdir()) == []


def test_what_an_unfinished_job_needs_is_kept_until_that_has_ended(swept: Swept, store: ArtifactStore) -> None:
    add_job(store, "cohort")
    finish_generate(store, "cohort", retention_seconds=AT_ONCE)
    jobs = JobStore(store)
    request = EvaluateRequest(dataset_id="data-1", job_id="cohort")
    jobs.create(JobRecord(id="comparison", created_at=now(), request=request))
    assert sweep(swept.services) == 0
    assert swept.client.get("/jobs/cohort/cohort").is_success
    jobs.transition("comparison", lambda job: job.model_copy(update={"status": "cancelled"}))
    assert sweep(swept.services) == 1
    assert store.ids("jobs") == ["comparison"]


def test_more_than_a_batch_and_one_that_is_gone_and_one_that_cannot_go(
    swept: Swept, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = JobStore(store, retention_seconds=AT_ONCE)
    for n in range(45):
        add_job(store, f"job-{n:02}")
        jobs.transition(f"job-{n:02}", lambda job: job.model_copy(update={"status": "cancelled"}))
    list(swept.services.jobs.active())
    store.remove("jobs", "job-07")
    remove = ArtifactStore.remove

    def refusing(self: ArtifactStore, kind: str, thing_id: str) -> None:
        if thing_id == "job-30":
            raise OSError(13, "Permission denied")
        remove(self, kind, thing_id)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(ArtifactStore, "remove", refusing)
        assert sweep_expired(swept.services) == 43
    assert store.ids("jobs") == ["job-30"]
    assert sweep(swept.services) == 1


def test_the_gateway_sweeps_by_itself(settings: Settings, store: ArtifactStore, valkey_url: str, redis: Redis) -> None:
    often = settings.model_copy(update={"reconcile_every_seconds": 0.1, "retention_seconds": 1})
    add_model(store)
    with serving(create_app(often, redis_url=valkey_url)) as client:
        job_id = client.post("/jobs/generate", json={"model_id": "model-1", "n_stays": 1}).json()["id"]
        cancelled = client.post(f"/jobs/{job_id}/cancel").json()
        assert cancelled["expires_at"] is not None
        wait_until(lambda: client.get(f"/jobs/{job_id}").status_code == 404)
    assert redis.keys(f"*{job_id}*") == []


def age(store: ArtifactStore, kind: Kind, thing_id: str, *, seconds: float) -> None:
    """Let a thing have come so long ago."""
    at = now().timestamp() - seconds
    os.utime(store.directory(kind, thing_id) / RECORD, (at, at))


@pytest.fixture
def forgetful(swept: Swept) -> Services:
    """Keeps each kind of thing for a minute."""
    kept = {f"{kind}_retention_seconds": 60 for kind in ("dataset", "model", "cohort")}
    return replace(swept.services, settings=swept.services.settings.model_copy(update=kept))


def test_datasets_models_and_cohorts_go_once_they_are_old(
    swept: Swept, forgetful: Services, store: ArtifactStore
) -> None:
    ids = {}
    for name in ("old", "young"):
        add_model(store, f"{name}-model")
        add_job(store, f"{name}-job", GenerateRequest(model_id="young-model", n_stays=2))
        finish_generate(store, f"{name}-job")
        answer = swept.client.post("/datasets", files={"file": ("a.parquet", parquet(table()))}, data={"name": name})
        ids[name] = answer.json()["id"]
    list(swept.services.jobs.active())
    old: tuple[tuple[Kind, str], ...] = (("models", "old-model"), ("cohorts", "old-job"), ("datasets", ids["old"]))
    for kind, thing_id in old:
        age(store, kind, thing_id, seconds=61)
    assert sweep_old(swept.services) == 0
    assert sweep_old(forgetful) == 3
    assert not any(store.exists(kind, thing_id) for kind, thing_id in old)
    assert store.ids("datasets") == [ids["young"]]
    assert (store.exists("models", "young-model"), store.ids("cohorts")) == (True, ["young-job"])
    assert swept.client.get("/jobs/old-job").json()["status"] == "succeeded"
    assert swept.client.get("/jobs/old-job/cohort").status_code == 404


def test_what_is_needed_and_what_is_bundled_does_not_age(forgetful: Services, store: ArtifactStore) -> None:
    add_model(store, "needed")
    add_job(store, "waiting", GenerateRequest(model_id="needed", n_stays=2))
    record = add_model(store, "came-with-us").model_copy(update={"origin": "bundled"})
    write_record(store.model_dir("came-with-us"), record)
    for model_id in ("needed", "came-with-us"):
        age(store, "models", model_id, seconds=61)
    assert sweep_old(forgetful) == 0


def test_a_model_of_another_version_keeps_nothing_else(forgetful: Services, store: ArtifactStore) -> None:
    for model_id in ("of-another-version", "old-model"):
        add_model(store, model_id)
    add_job(store, "old-job", GenerateRequest(model_id="gone", n_stays=2))
    finish_generate(store, "old-job")
    list(forgetful.jobs.active())
    (store.model_dir("of-another-version") / RECORD).write_text("{}")
    for model_id in ("of-another-version", "old-model"):
        age(store, "models", model_id, seconds=61)
    age(store, "cohorts", "old-job", seconds=61)
    assert sweep_old(forgetful) == 2
    assert store.exists("models", "of-another-version")
