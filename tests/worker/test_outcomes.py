"""What becomes of a job's record."""

from __future__ import annotations

import errno

import pytest

from model.spec.errors import CDMTError, CheckpointError, DataError, NonFiniteLoss, RatioError
from service.contracts.errors import NotFound
from service.contracts.jobs import GenerateRequest, JobRecord, JobState, now
from worker import outcomes
from worker.outcomes import OutOfTime


def record(status: JobState) -> JobRecord:
    request = GenerateRequest(model_id="any", n_stays=1)
    return JobRecord(id="some-job", created_at=now(), request=request, status=status, attempts=3)


def test_an_attempt_is_counted_and_the_first_start_remembered() -> None:
    first = outcomes.started(record("queued"))
    again = outcomes.started(first)
    assert (first.status, first.attempts, again.attempts) == ("running", 4, 5)
    assert first.started_at is not None
    assert again.started_at == first.started_at


def test_a_job_that_is_being_cancelled_does_not_look_like_running() -> None:
    assert outcomes.started(record("cancelling")).status == "cancelling"


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
    assert outcomes.lost(requeued=requeued, stopped=stopped)(record(before)).status == after


def test_a_job_that_is_given_up_says_how_often_it_was_tried() -> None:
    error = outcomes.lost(requeued=False, stopped=False)(record("running")).error
    assert error is not None
    assert "3 attempts" in error.detail


@pytest.mark.parametrize(
    ("error", "slug", "detail"),
    [
        (DataError("column 'hr': expected numbers"), "invalid-data", "column 'hr': expected numbers"),
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
