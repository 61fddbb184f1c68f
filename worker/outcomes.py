"""How a job's record changes as it starts, ends, or is lost; and how an error is told to the one who asked."""

from __future__ import annotations

import errno
from collections.abc import Callable

from model.spec.errors import (
    CDMTError,
    CheckpointError,
    DataError,
    RatioError,
    SchemaError,
    TableTooLarge,
    TrainingError,
)
from service.contracts.errors import IllegalTransition, NotFound
from service.contracts.jobs import JobError, JobRecord, JobResult, Stage, now, problem_type, waiting

Change = Callable[[JobRecord], JobRecord]

SPENT = "spent"
"""What a task returns after an error that nobody foresaw: a GPU's context, say, may be broken from then on."""

_KNOWN: tuple[tuple[type[CDMTError], str, str], ...] = (
    (SchemaError, "invalid-schema", "The schema contradicts itself or the table"),
    (TableTooLarge, "out-of-memory", "Not enough memory"),
    (DataError, "invalid-data", "The table does not match its schema"),
    (RatioError, "invalid-ratios", "The label ratios cannot be satisfied"),
    (TrainingError, "training-failed", "The training could not go on"),
    (CheckpointError, "invalid-model", "The stored model cannot be used"),
    (NotFound, "not-found", "Something that the job needs is gone"),
    (CDMTError, "job-failed", "The job failed"),
)
_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class OutOfTime(BaseException):
    """A job has used up its time. No Exception, lest one that is caught on the way let the job go on."""


def started(stage: Stage) -> Change:
    """Another attempt at a stage begins. A job that is being cancelled stays so: the attempt will find out.

    IllegalTransition, raised by the change, for a job that is at its other stage.
    """
    counter = "evaluation_attempts" if stage == "evaluation" else "attempts"

    def change(record: JobRecord) -> JobRecord:
        if record.stage != stage:
            raise IllegalTransition(f"job '{record.id}' is at another stage: {record.stage}")
        status = record.status if record.status == "cancelling" else "running"
        counted = {counter: getattr(record, counter) + 1}
        return record.model_copy(update={"status": status, "started_at": record.started_at or now(), **counted})

    return change


def handed_over(drawn: JobResult) -> Change:
    """The cohort is drawn, and the job goes on as an evaluation; not if it is being cancelled."""
    change = {"status": "running", "stage": "evaluation", "drawn": drawn}
    return lambda record: cancelled(record) if record.status == "cancelling" else record.model_copy(update=change)


def succeeded(result: JobResult) -> Change:
    """The job is done; or, if it was asked to stop and came too far to hear it, stopped all the same."""

    def change(record: JobRecord) -> JobRecord:
        done = {"status": "succeeded", "finished_at": now(), "result": result}
        return cancelled(record) if record.status == "cancelling" else record.model_copy(update=done)

    return change


def failed(error: JobError) -> Change:
    """The job will not be done."""
    return lambda record: record.model_copy(update={"status": "failed", "finished_at": now(), "error": error})


def cancelled(record: JobRecord) -> JobRecord:
    """The job was stopped as asked."""
    return record.model_copy(update={"status": "cancelled", "finished_at": now()})


def lost(stage: Stage, *, requeued: bool, stopped: bool) -> Change:
    """The process of a stage ended without a word: stopped by force, or to run again, or it has died too often.

    That of the drawing may have handed the job over just before: then nothing is lost.
    """

    def change(record: JobRecord) -> JobRecord:
        if record.stage != stage:
            return record
        if stopped or (record.status == "cancelling" and not requeued):
            return cancelled(record)
        if requeued or record.pardons:
            return record if record.status == "cancelling" else waiting(record)
        return _gave_up(record)

    return change


def pardoned(stage: Stage) -> Change:
    """The attempt was handed back, and RQ, which could not be told, will count it: not if it has come further since."""
    return lambda record: record.model_copy(update={"pardons": record.pardons + 1}) if record.stage == stage else record


def describe(error: BaseException) -> JobError:
    """The error in words for whoever asked. Only our own messages are quoted: others may hold a patient's value."""
    for known, slug, title in _KNOWN:
        if isinstance(error, known):
            return JobError(type=problem_type(slug), title=title, detail=str(error))
    return _unexpected(error)


def is_full_disk(error: BaseException) -> bool:
    """Whether a file could not grow: the disk, a quota or a file size limit."""
    return isinstance(error, OSError) and error.errno in _DISK_FULL


def _unexpected(error: BaseException) -> JobError:
    if is_full_disk(error):
        detail = "disk full: nothing of this job was kept. Free some space under the data directory and try again"
        return JobError(type=problem_type("disk-full"), title="The disk is full", detail=detail)
    if isinstance(error, OutOfTime):
        detail = "the job took longer than this installation allows (CDMT_<KIND>_TIMEOUT_SECONDS)"
        return JobError(type=problem_type("timeout"), title="The job took too long", detail=detail)
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        detail = "out of memory: try a smaller batch, chunk or network, or a machine with more memory"
        return JobError(type=problem_type("out-of-memory"), title="Not enough memory", detail=detail)
    detail = f"an unexpected error ({type(error).__name__}); the worker's log says where"
    return JobError(type=problem_type("internal-error"), title="The job failed unexpectedly", detail=detail)


def _gave_up(record: JobRecord) -> JobRecord:
    attempts = record.evaluation_attempts if record.stage == "evaluation" else record.attempts
    detail = f"the worker's process died in each of {attempts} attempts; the job was given up"
    error = JobError(type=problem_type("worker-lost"), title="The worker was lost", detail=detail)
    return failed(error)(record)
