"""What becomes of a job's record."""

from __future__ import annotations

import errno

import pytest

from model.spec.errors import CDMTError, CheckpointError, DataError, NonFiniteLoss, RatioError, TableTooLarge
from service.contracts.errors import IllegalTransition, NotFound
from service.contracts.jobs import JobRecord, JobResult, JobState, Stage, now, parse_rq_id, rq_ids
from service.contracts.requests import GenerateRequest
from worker import outcomes
from worker.outcomes import OutOfTime


def record(status: JobState) -> JobRecord:
    request = GenerateRequest(model_id="any", n_stays=1)
    return JobRecord(id="some-job", created_at=now(), request=request, status=status, attempts=3)


def test_an_attempt_is_counted_and_the_first_start_remembered() -> None:
    started = outcomes.started("making")
    first = started(record("queued"))
    again = started(first)
    assert (first.status, first.attempts, again.attempts) == ("running", 4, 5)
    assert first.started_at is not None
    assert again.started_at == first.started_at


def test_a_job_that_is_being_cancelled_does_not_look_like_running() -> None:
    assert outcomes.started("making")(record("cancelling")).status == "cancelling"


def drawn(status: JobState = "running") -> JobRecord:
    """The record of a generation whose cohort is drawn."""
    return outcomes.handed_over(JobResult(n_stays=1))(record("running")).model_copy(update={"status": status})


def test_a_drawn_cohort_goes_on_under_another_id_in_another_queue() -> None:
    job = drawn()
    assert (job.status, job.queue, job.rq_id, job.kind) == ("running", "evaluate", "some-job-evaluation", "generate")
    assert (job.result, job.drawn) == (None, JobResult(n_stays=1))
    assert parse_rq_id(job.rq_id) == ("some-job", "evaluation")
    assert parse_rq_id("some-job") == ("some-job", "making")
    assert set(rq_ids("some-job")) == {"some-job", job.rq_id}


def test_a_cohort_that_is_drawn_although_the_job_shall_be_cancelled_goes_no_further() -> None:
    assert outcomes.handed_over(JobResult())(record("cancelling")).status == "cancelled"


def test_attempts_at_the_evaluation_are_counted_apart() -> None:
    again = outcomes.started("evaluation")(outcomes.started("evaluation")(drawn()))
    assert (again.attempts, again.evaluation_attempts) == (3, 2)
    lost = outcomes.lost("evaluation", requeued=False, stopped=False)(again)
    assert lost.error is not None
    assert "2 attempts" in lost.error.detail


@pytest.mark.parametrize("stage", ["making", "evaluation"])
def test_no_process_starts_a_stage_that_the_job_is_not_at(stage: Stage) -> None:
    job = drawn() if stage == "making" else record("queued")
    with pytest.raises(IllegalTransition, match="another stage"):
        outcomes.started(stage)(job)


@pytest.mark.parametrize(("requeued", "stopped"), [(True, False), (False, False), (False, True)])
def test_a_drawing_that_is_lost_after_the_handover_loses_nothing(*, requeued: bool, stopped: bool) -> None:
    job = drawn()
    assert outcomes.lost("making", requeued=requeued, stopped=stopped)(job) == job


def test_an_evaluation_that_is_lost_and_will_run_again_still_counts_as_running() -> None:
    job = drawn()
    assert outcomes.lost("evaluation", requeued=True, stopped=False)(job) == job
    assert outcomes.lost("evaluation", requeued=False, stopped=True)(job).status == "cancelled"


@pytest.mark.parametrize(
    ("before", "requeued", "stopped", "after"),
    [
        ("running", True, False, "queued"),
        ("running", False, False, "failed"),
        ("running", False, True, "cancelled"),
        ("cancelling", True, False, "cancelling"),
        ("cancelling", False, False, "cancelled"),
        ("cancelling", False, True, "cancelled"),
    ],
)
def test_a_lost_job(before: JobState, requeued: bool, stopped: bool, after: JobState) -> None:
    assert outcomes.lost("making", requeued=requeued, stopped=stopped)(record(before)).status == after


def test_a_job_that_is_given_up_says_how_often_it_was_tried() -> None:
    error = outcomes.lost("making", requeued=False, stopped=False)(record("running")).error
    assert error is not None
    assert "3 attempts" in error.detail


@pytest.mark.parametrize(
    ("error", "slug", "detail"),
    [
        (DataError("column 'hr': expected numbers"), "invalid-data", "column 'hr': expected numbers"),
        (TableTooLarge("no room"), "out-of-memory", "no room"),
        (RatioError("no"), "invalid-ratios", "no"),
        (CheckpointError("torn"), "invalid-model", "torn"),
        (NotFound("model", "m"), "not-found", "there is no model 'm'"),
        (CDMTError("something else"), "job-failed", "something else"),
    ],
)
def test_our_own_errors_are_quoted(error: CDMTError, slug: str, detail: str) -> None:
    told = outcomes.describe(error)
    assert (told.type, told.detail) == (f"urn:cdmt:problem:{slug}", detail)


def test_a_loss_that_is_no_number_says_at_which_step() -> None:
    told = outcomes.describe(NonFiniteLoss(17))
    assert told.type.endswith("training-failed")
    assert "step 17" in told.detail


@pytest.mark.parametrize(
    ("error", "slug"),
    [
        (OSError(errno.ENOSPC, "/secret/path"), "disk-full"),
        (OSError(errno.EDQUOT, "x"), "disk-full"),
        (OSError(errno.EFBIG, "x"), "disk-full"),
        (OSError(errno.EACCES, "x"), "internal-error"),
        (MemoryError(), "out-of-memory"),
        (OutOfTime(), "timeout"),
        (ValueError("value of a patient"), "internal-error"),
    ],
)
def test_other_errors_are_not_quoted(error: BaseException, slug: str) -> None:
    told = outcomes.describe(error)
    assert told.type == f"urn:cdmt:problem:{slug}"
    assert "patient" not in told.detail
    assert "/secret" not in told.detail


def test_a_job_that_ends_before_it_hears_the_cancel_is_cancelled() -> None:
    ended = outcomes.succeeded(JobResult(n_stays=1))(record("cancelling"))
    assert (ended.status, ended.result) == ("cancelled", None)
    assert outcomes.succeeded(JobResult(n_stays=1))(record("running")).status == "succeeded"


def test_a_pardoned_attempt_leaves_the_end_to_the_gateway() -> None:
    pardoned = outcomes.pardoned("making")(record("running"))
    assert pardoned.pardons == 1
    assert outcomes.lost("making", requeued=False, stopped=False)(pardoned).status == "queued"
    assert outcomes.lost("making", requeued=False, stopped=True)(pardoned).status == "cancelled"
    job = drawn()
    assert outcomes.pardoned("making")(job) == job
