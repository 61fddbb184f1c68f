"""The link between a running job and Redis, on a clock that the test holds."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis import Redis
from structlog.testing import capture_logs

from model.spec.errors import Interrupted
from service.contracts import live
from service.contracts.ids import new_id
from service.contracts.job_store import JobStore
from service.contracts.jobs import JobRecord, now
from service.contracts.requests import GenerateRequest
from service.contracts.storage import ArtifactStore
from worker.progress import JobLink, impatient_redis


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def jobs(tmp_path: Path) -> JobStore:
    return JobStore(ArtifactStore(tmp_path))


@pytest.fixture
def job_id(jobs: JobStore) -> str:
    """A job that is running."""
    record = JobRecord(id=new_id(), created_at=now(), request=GenerateRequest(model_id="any", n_stays=1))
    jobs.create(record.model_copy(update={"status": "running"}))
    return record.id


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def link(job_id: str, redis: Redis, jobs: JobStore, clock: Clock) -> JobLink:
    return JobLink(job_id, redis=redis, jobs=jobs, clock=clock)


@pytest.fixture
def cut_off(job_id: str, jobs: JobStore, clock: Clock, tmp_path: Path) -> JobLink:
    """A link whose Redis is not there."""
    return JobLink(job_id, redis=impatient_redis(f"unix://{tmp_path}/none"), jobs=jobs, clock=clock)


def shown(redis: Redis, job_id: str) -> tuple[str, int, int, float | None]:
    progress = live.read_progress(redis, job_id)
    assert progress is not None
    return progress.step, progress.value, progress.max, progress.eta_seconds


def test_progress_is_written_at_most_five_times_a_second(
    link: JobLink, redis: Redis, job_id: str, clock: Clock
) -> None:
    link.progress("sampling", 0, 100)
    clock.now += 0.1
    link.progress("sampling", 10, 100)
    assert shown(redis, job_id) == ("sampling", 0, 100, None)
    clock.now += 0.1
    link.progress("sampling", 20, 100)
    assert shown(redis, job_id) == ("sampling", 20, 100, 0.8)


def test_a_new_step_shows_at_once_and_has_an_eta_of_its_own(
    link: JobLink, redis: Redis, job_id: str, clock: Clock
) -> None:
    link.progress("sampling", 90, 100)
    clock.now += 0.01
    link.progress("evaluating", 0, 10)
    assert shown(redis, job_id) == ("evaluating", 0, 10, None)
    clock.now += 2
    link.progress("evaluating", 4, 10)
    assert shown(redis, job_id) == ("evaluating", 4, 10, 3.0)


def test_a_resumed_step_counts_only_what_this_attempt_did(
    link: JobLink, redis: Redis, job_id: str, clock: Clock
) -> None:
    link.progress("training", 500, 1000)
    clock.now += 10
    link.progress("training", 600, 1000)
    assert shown(redis, job_id) == ("training", 600, 1000, 40.0)


def test_a_wish_to_cancel_is_heard_within_a_tenth_of_a_second_and_not_forgotten(
    link: JobLink, redis: Redis, job_id: str, clock: Clock
) -> None:
    assert not link.cancelled()
    live.request_cancel(redis, job_id)
    assert not link.cancelled()
    clock.now += 0.1
    assert link.cancelled()
    live.clear(redis, job_id)
    clock.now += 10
    assert link.cancelled()


def test_without_redis_the_job_goes_on_and_complains_once(cut_off: JobLink, clock: Clock) -> None:
    with capture_logs() as lines:
        for _ in range(100):
            cut_off.progress("sampling", 1, 2)
            assert not cut_off.cancelled()
            clock.now += 1
        cut_off.close()
    assert [line["event"] for line in lines] == ["redis_away"]


def test_without_redis_the_record_says_that_the_job_shall_stop(
    cut_off: JobLink, jobs: JobStore, job_id: str, clock: Clock
) -> None:
    assert not cut_off.cancelled()
    jobs.transition(job_id, lambda record: record.model_copy(update={"status": "cancelling"}))
    clock.now += 2
    assert cut_off.cancelled()


def test_a_job_that_was_given_up_elsewhere_stops(cut_off: JobLink, jobs: JobStore, job_id: str, clock: Clock) -> None:
    jobs.transition(job_id, lambda record: record.model_copy(update={"status": "failed"}))
    assert cut_off.cancelled()


def test_the_end_of_the_process_is_heard_at_once_but_a_cancel_goes_first(
    job_id: str, redis: Redis, jobs: JobStore, clock: Clock
) -> None:
    ending = False
    link = JobLink(job_id, redis=redis, jobs=jobs, clock=clock, interrupted=lambda: ending)
    assert not link.cancelled()
    ending = True
    with pytest.raises(Interrupted):
        link.cancelled()
    live.request_cancel(redis, job_id)
    clock.now += 0.1
    assert link.cancelled()


def test_closing_forgets_progress_and_wish(link: JobLink, redis: Redis, job_id: str) -> None:
    link.progress("sampling", 1, 2)
    live.request_cancel(redis, job_id)
    link.close()
    assert live.read_progress(redis, job_id) is None
    assert not live.cancel_requested(redis, job_id)


def test_a_pulse_goes_with_the_progress_now_and_then(job_id: str, redis: Redis, jobs: JobStore, clock: Clock) -> None:
    beats: list[float] = []
    link = JobLink(job_id, redis=redis, jobs=jobs, clock=clock, pulse=lambda: beats.append(clock.now))
    for _ in range(100):
        link.progress("sampling", 1, 10)
        clock.now += 0.25
    assert beats == [1000.0, 1010.0, 1020.0]


def test_losses_go_with_the_progress_once_they_are_known(
    link: JobLink, clock: Clock, redis: Redis, job_id: str
) -> None:
    link.progress("training", 1, 10)
    link.show_losses([(1, 1.23456), (5, 0.5)])
    clock.now += 1
    link.progress("training", 5, 10)
    progress = live.read_progress(redis, job_id)
    assert progress is not None
    assert progress.losses == ((1, 1.235), (5, 0.5))
