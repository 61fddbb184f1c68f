"""A drawn cohort on its way to the queue of evaluations."""

from __future__ import annotations

from redis import Redis
from rq.job import Job
from structlog.testing import capture_logs

from service.contracts.jobs import SERIALIZER, JobRecord, JobResult, now
from service.contracts.requests import GenerateRequest
from service.contracts.settings import Settings
from worker.handover import hand_over
from worker.outcomes import handed_over
from worker.progress import impatient_redis


def drawn() -> JobRecord:
    request = GenerateRequest(model_id="any", n_stays=1)
    running = JobRecord(id="some-job", created_at=now(), request=request, status="running", attempts=1)
    return handed_over(JobResult(n_stays=1))(running)


def test_it_is_enqueued_once_under_an_id_of_its_own(redis: Redis, settings: Settings) -> None:
    with capture_logs() as lines:
        for _ in range(3):
            hand_over(drawn(), redis=redis, settings=settings, installation="here")
    assert redis.lrange("rq:queue:cdmt-here-evaluate", 0, -1) == [b"some-job-evaluation"]
    job = Job.fetch("some-job-evaluation", redis, SERIALIZER)
    assert (job.func_name, job.args) == ("worker.tasks.assess", ["some-job"])
    assert (job.timeout, job.retries_left) == (settings.evaluate_timeout_seconds, settings.max_attempts - 1)
    assert [line["event"] for line in lines] == ["job_handed_over", *["job_handed_over_before"] * 2]


def test_without_redis_it_is_left_to_the_gateway(settings: Settings) -> None:
    with capture_logs() as lines:
        hand_over(drawn(), redis=impatient_redis("redis://127.0.0.1:1"), settings=settings, installation="here")
    assert [line["event"] for line in lines] == ["not_handed_over"]
