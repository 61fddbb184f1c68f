from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from redis import Redis

from service.api.app import create_app
from service.api.quota import Quota
from service.contracts.errors import TooManyJobs
from service.contracts.job_store import JobStore
from service.contracts.jobs import JobRecord, now
from service.contracts.requests import GenerateRequest, TrainRequest
from service.contracts.settings import Settings
from service.contracts.storage import ArtifactStore
from tests.service.api.conftest import serving
from tests.service.api.test_bad_input import check_problem
from tests.service.making import add_job, add_model, finish_generate

ONE = GenerateRequest(model_id="model-1", n_stays=1)


class Counted(JobStore):
    """Counts how often all active records are read."""

    n_readings = 0

    def active(self) -> Iterator[JobRecord]:
        self.n_readings += 1
        return super().active()


@pytest.fixture
def counted(store: ArtifactStore) -> Counted:
    return Counted(store)


def add(jobs: JobStore, job_id: str, caller: str | None) -> None:
    jobs.create(JobRecord(id=job_id, created_at=now(), request=ONE, caller=caller))


def test_each_caller_has_a_share_of_their_own(counted: Counted) -> None:
    quota = Quota(counted, max_jobs=2, max_stays=1000)
    for n, caller in enumerate(["ann", "bob", "ann", None]):
        quota.check(caller, ONE)
        add(counted, f"job-{n}", caller)
        quota.add(caller, ONE)
    for caller in ("bob", None):
        quota.check(caller, ONE)
    with pytest.raises(TooManyJobs, match="2 of your jobs"):
        quota.check("ann", ONE)


def test_what_was_there_before_counts_and_what_has_ended_does_not(
    counted: Counted, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.api.quota.RECOUNT_SECONDS", 0)
    for job_id in ("job-1", "job-2"):
        add_job(store, job_id)
    quota = Quota(counted, max_jobs=2, max_stays=1000)
    with pytest.raises(TooManyJobs):
        quota.check(None, ONE)
    finish_generate(store, "job-1")
    quota.check(None, ONE)


def test_the_stays_of_all_unfinished_jobs_are_limited_too(
    counted: Counted, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.api.quota.RECOUNT_SECONDS", 0)
    quota = Quota(counted, max_jobs=100, max_stays=10)
    for n in range(4):
        quota.check(None, ONE.model_copy(update={"n_stays": 2}))
        quota.add(None, add_job(store, f"job-{n}").request)
    quota.check(None, ONE.model_copy(update={"n_stays": 2}))
    with pytest.raises(TooManyJobs, match="n_stays: 8 stays"):
        quota.check(None, ONE.model_copy(update={"n_stays": 3}))
    quota.check("ann", ONE.model_copy(update={"n_stays": 10}))
    quota.check(None, TrainRequest(dataset_id="data-1", name="a"))
    finish_generate(store, "job-0")
    quota.check(None, ONE.model_copy(update={"n_stays": 3}))


def test_records_are_read_at_the_limit_only_and_then_not_too_often(counted: Counted) -> None:
    quota = Quota(counted, max_jobs=100, max_stays=1000)
    for n in range(100):
        quota.check(None, ONE)
        add(counted, f"job-{n:02}", None)
        quota.add(None, ONE)
    assert counted.n_readings == 1
    quota._recount_at = 0.0
    for _ in range(100):
        with pytest.raises(TooManyJobs):
            quota.check(None, ONE)
    assert counted.n_readings == 2


def test_too_many_jobs_are_refused_until_one_has_ended(
    settings: Settings, store: ArtifactStore, valkey_url: str, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.api.quota.RECOUNT_SECONDS", 0)
    monkeypatch.setattr("service.api.quota.SHARE_OF_COUNTING", 1e9)
    add_model(store)
    with serving(create_app(settings.model_copy(update={"max_queued_jobs": 3}), redis_url=valkey_url)) as client:

        def generate(**headers: str) -> httpx.Response:
            return client.post("/jobs/generate", json={"model_id": "model-1", "n_stays": 2}, headers=headers)

        keyed = {"Idempotency-Key": "one"}
        taken = [generate(**keyed), generate(), generate()]
        assert [answer.status_code for answer in taken] == [202] * 3
        refused = generate(**{"Idempotency-Key": "four"})
        check_problem(refused, 429, "3 of your jobs")
        assert refused.headers["retry-after"] == "5"
        assert generate(**keyed).json() == taken[0].json()  # a repetition is no further job
        assert len(store.ids("jobs")) == 3
        client.post(f"/jobs/{taken[1].json()['id']}/cancel")
        assert generate(**{"Idempotency-Key": "four"}).status_code == 202


def test_a_request_that_no_caller_may_ever_make_is_not_told_to_come_again(
    settings: Settings, store: ArtifactStore, valkey_url: str, redis: Redis
) -> None:
    add_model(store)
    with serving(create_app(settings.model_copy(update={"max_queued_stays": 3}), redis_url=valkey_url)) as client:
        body = {"model_id": "model-1", "n_stays": 4}
        check_problem(client.post("/jobs/generate", json=body), 422, "at most 3 stays")
        for status in (202, 429):
            answer = client.post("/jobs/generate", json={**body, "n_stays": 2})
            assert answer.status_code == status
        check_problem(answer, 429, "n_stays: 2 stays")
