from __future__ import annotations

from datetime import timedelta

import pytest
from redis import Redis

from service.connection import connect
from service.contracts.figures import BOUNDS, Figures, GpuMemory, Vitals
from service.contracts.jobs import JobRecord, JobResult, JobState, now
from service.contracts.requests import GenerateRequest, TrainRequest


@pytest.fixture
def figures(redis: Redis) -> Figures:
    return Figures(redis, "aaaaaaaaaaaa")


def ended(seconds: float | None, status: JobState = "succeeded", *, kind: str = "generate") -> JobRecord:
    at = now()
    generate = GenerateRequest(model_id="model-1", n_stays=7)
    return JobRecord(
        id="job-1",
        status=status,
        created_at=at,
        started_at=None if seconds is None else at - timedelta(seconds=seconds),
        finished_at=at,
        request=generate if kind == "generate" else TrainRequest(dataset_id="data-1", name="t"),
        result=JobResult(n_stays=7) if status == "succeeded" and kind == "generate" else None,
    )


def test_nothing_has_been_counted_at_first(figures: Figures) -> None:
    assert figures.totals() == ({}, 0, {"loaded": 0, "warm": 0})


def test_each_job_falls_into_one_bucket_of_its_kind_and_end(figures: Figures) -> None:
    for seconds in (1.0, 1.5, 2.0, 10 * BOUNDS[-1]):
        figures.job_ended(ended(seconds))
    figures.job_ended(ended(3.0, "failed", kind="train"))
    totals = figures.totals()
    assert set(totals.durations) == {("generate", "succeeded"), ("train", "failed")}
    generated = totals.durations["generate", "succeeded"]
    assert generated.buckets == (1, 2, *[0] * (len(BOUNDS) - 2), 1)
    assert generated.seconds == pytest.approx(4.5 + 10 * BOUNDS[-1])
    assert totals.n_stays == 4 * 7


def test_a_job_that_never_began_and_one_whose_clock_went_back_took_no_time(figures: Figures) -> None:
    figures.job_ended(ended(None, "cancelled"))
    figures.job_ended(ended(-7200.0, "cancelled"))
    durations = figures.totals().durations["generate", "cancelled"]
    assert (durations.buckets[0], durations.seconds) == (2, 0.0)


def test_loads_of_models_are_counted_and_installations_kept_apart(figures: Figures, redis: Redis) -> None:
    for _ in range(3):
        figures.model_taken("warm")
    figures.model_taken("loaded")
    assert figures.totals().models == {"loaded": 1, "warm": 3}
    assert Figures(redis, "bbbbbbbbbbbb").totals().models == {"loaded": 0, "warm": 0}


def test_how_a_worker_is_belongs_to_it_and_is_forgotten_in_the_end(figures: Figures, redis: Redis) -> None:
    memory = GpuMemory(allocated=1, reserved=2, total=3)
    one, two = Vitals(device="H100", resident=10, gpu=memory), Vitals(device="CPU", resident=20)
    figures.vitals_of("worker-1", one)
    assert figures.vitals(["worker-0", "worker-1"]) == [None, one]
    (key,) = redis.keys("*:vitals:*")
    figures.vitals_of("worker-2", two)
    assert figures.gpus(["worker-0", "worker-1", "worker-2"]) == [memory]
    assert figures.gpus([]) == []
    assert redis.ttl(key) > 0


def test_counting_is_no_duty_when_redis_is_away() -> None:
    figures = Figures(connect("redis://127.0.0.1:1"), "aaaaaaaaaaaa")
    figures.job_ended(ended(1.0))
    figures.model_taken("warm")
    figures.vitals_of("worker-1", Vitals(device="CPU", resident=1))


@pytest.mark.parametrize("vitals", [b'{"device": "CPU", "resident": 1, "temperature": 40}', b"\xff"])
def test_vitals_in_the_words_of_another_version_are_none(figures: Figures, redis: Redis, vitals: bytes) -> None:
    figures.vitals_of("worker-1", Vitals(device="CPU", resident=1))
    (key,) = redis.keys("*:vitals:*")
    redis.set(key, vitals)
    assert figures.vitals(["worker-1"]) == [None]
