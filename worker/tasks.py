"""The task that RQ runs: read the job's record, do the work, write the outcome into the record. In the child only."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from typing import TypeVar

import structlog
import torch

from model.spec.errors import Cancelled, CDMTError, Interrupted
from service.contracts.errors import IllegalTransition, NotFound
from service.contracts.installation import installation_id
from service.contracts.jobs import JobRecord, JobResult, Stage
from service.contracts.live import WAITING_FOR_EVALUATION
from service.contracts.products import discard, retract
from service.contracts.requests import GenerateRequest, TrainRequest
from service.contracts.settings import Settings
from worker import outcomes
from worker.assess import run_assessment
from worker.evaluate import run_evaluate
from worker.generate import Drawn, run_generate
from worker.handover import hand_over
from worker.interruption import INTERRUPTION, leave
from worker.outcomes import SPENT, OutOfTime
from worker.progress import JobLink
from worker.train import run_train
from worker.vitals import show_vitals
from worker.watch import Watch, watched
from worker.workshop import Workshop, open_workshop

RECORD_SECONDS, RECORD_POLL_SECONDS = 20.0, 0.5
"""How long, and how often, a record that cannot be written is tried again: whoever filled the disk may make room."""

UNRECORDED = "unrecorded"
"""What a task returns where its record could not be written: the gateway then finds a job without an outcome."""

INTERRUPTED = "interrupted"
"""What `execute` returns where the process must end: the record says nothing of it, the parent puts the job back."""

HANDED_OVER = "handed over"
"""What a task returns whose job goes on at its next stage."""

Written = TypeVar("Written")

log = structlog.get_logger(__name__)

_workshop: ContextVar[Workshop] = ContextVar("workshop")


def open_for(settings: Settings, *, worker: str, fits_networks: bool = True) -> None:
    """Open the workshop of this process. RQ calls `run` with nothing but an id, so it must be found from here.

    With `fits_networks`, what torch imports for its first optimiser, for seconds, is imported now: not in a job,
    which could not be cancelled meanwhile.
    """
    torch.set_num_threads(settings.worker_threads)
    if fits_networks:
        torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])
    _workshop.set(open_workshop(settings, worker=worker))


def run(job_id: str) -> str:
    """Do the job and return the state that its record came to have, SPENT after an unforeseen error, or UNRECORDED.

    Whatever goes wrong in the job goes into the record and not to RQ: RQ's retries are for processes that die.
    A generation is HANDED_OVER once its cohort is drawn. Does not return where the job was interrupted.
    `open_for` comes first.
    """
    return _unless_interrupted(execute(job_id, _workshop.get()))


def assess(job_id: str) -> str:
    """As `run`, for the second stage of a generation: the report on its cohort, and the privacy gate."""
    return _unless_interrupted(execute(job_id, _workshop.get(), stage="evaluation"))


def _unless_interrupted(ended: str) -> str:
    if ended == INTERRUPTED:
        leave()
    return ended


def execute(job_id: str, shop: Workshop, *, stage: Stage = "making") -> str:
    """`run` and `assess` with everything that they use as an argument."""
    with structlog.contextvars.bound_contextvars(job_id=job_id):
        try:
            ended = _execute(job_id, shop, stage)
        except OSError as error:
            log.error("outcome_not_recorded", error=type(error).__name__, errno=error.errno)
            return UNRECORDED
        if ended == HANDED_OVER:  # what the drawing kept is removed by now, and nobody holds its lock
            _hand_over(job_id, shop)
        return ended


def _execute(job_id: str, shop: Workshop, stage: Stage) -> str:
    with _alone(job_id, shop):
        try:
            ended = _attempt(_started(job_id, shop, stage), shop)
        except (NotFound, IllegalTransition) as error:
            log.info("job_skipped", reason=str(error))  # another attempt or the gateway ended it, or it was removed
            ended = _skipped(job_id, shop, stage)
        except Interrupted:
            log.info("job_interrupted")
            return INTERRUPTED  # what a training has kept stays for its next attempt
        shop.store.remove_work_dir(job_id)
        return ended


def _skipped(job_id: str, shop: Workshop, stage: Stage) -> str:
    """The drawing of a job that is drawn already, perhaps by a process that died at once, hands it over again."""
    try:
        record = shop.jobs.read(job_id)
    except NotFound:
        return "skipped"
    retract(record, shop.store)
    is_drawn = stage == "making" and record.stage == "evaluation" and not record.is_terminal
    return HANDED_OVER if is_drawn else "skipped"


def _hand_over(job_id: str, shop: Workshop) -> None:
    with suppress(NotFound):
        record = shop.jobs.read(job_id)
        if not record.is_terminal:
            installation = installation_id(shop.store.root)
            hand_over(record, redis=shop.redis, settings=shop.settings, installation=installation)


def _started(job_id: str, shop: Workshop, stage: Stage) -> JobRecord:
    """The record of the attempt that begins; or that has failed, because it could not be recorded."""
    started = outcomes.started(stage)
    try:
        return shop.jobs.transition(job_id, started)
    except OSError as error:
        failed = outcomes.failed(outcomes.describe(error))
        log.warning("job_failed", error=type(error).__name__, errno=error.errno)
        record = _patiently(lambda: shop.jobs.transition(job_id, lambda record: failed(started(record))))
        retract(record, shop.store)
        shop.figures.job_ended(record)
        return record


def _attempt(record: JobRecord, shop: Workshop) -> str:
    if record.is_terminal:
        return record.status
    interrupted = partial(INTERRUPTION.is_due, loses_work=record.queue != "train")
    pulse = partial(show_vitals, shop.figures, shop.worker)
    link = JobLink(record.id, redis=shop.redis, jobs=shop.jobs, interrupted=interrupted, pulse=pulse)
    attempt = record.evaluation_attempts if record.stage == "evaluation" else record.attempts
    with structlog.contextvars.bound_contextvars(request_id=record.request_id, attempt=attempt):
        log.info("job_started", kind=record.kind, stage=record.stage)
        link.progress("evaluating" if record.stage == "evaluation" else "starting", 0, 1)
        start = time.monotonic()
        change, foreseen = _outcome(record, shop, link)
        after = _ended(record, change, shop)
        seconds = round(time.monotonic() - start, 3)
        if not after.is_terminal:
            link.progress(WAITING_FOR_EVALUATION.step, 0, 1)
            log.info("job_drawn", seconds=seconds)
            return HANDED_OVER
        retract(after, shop.store)
        link.close()
        shop.figures.job_ended(after)
        log.info("job_ended", status=after.status, seconds=seconds)
        return after.status if foreseen else SPENT


def _ended(record: JobRecord, change: outcomes.Change, shop: Workshop) -> JobRecord:
    try:
        return _patiently(lambda: shop.jobs.transition(record.id, change))
    except (OSError, NotFound):
        discard(record, shop.store)  # nobody would be told of it, or asks for it: the job has been deleted
        raise


def _patiently(write: Callable[[], Written]) -> Written:
    """What `write` returns, tried again while the disk lets it not; after RECORD_SECONDS its OSError."""
    deadline = time.monotonic() + RECORD_SECONDS
    while True:
        try:
            return write()
        except OSError:
            if time.monotonic() > deadline:
                raise
        time.sleep(RECORD_POLL_SECONDS)


def _outcome(record: JobRecord, shop: Workshop, link: JobLink) -> tuple[outcomes.Change, bool]:
    """What becomes of the record, and whether the process can be trusted with another job."""
    watch = Watch()
    try:
        with watched(JobLink(record.id, redis=shop.redis, jobs=shop.jobs).cancelled) as watch:
            result = _work(record, shop, link)
        return (outcomes.handed_over(result.result) if isinstance(result, Drawn) else outcomes.succeeded(result)), True
    except Interrupted:
        raise
    except Cancelled:
        return outcomes.cancelled, not watch.interrupted
    except CDMTError as error:
        log.warning("job_failed", error=type(error).__name__, detail=str(error))
        return outcomes.failed(outcomes.describe(error)), True
    except (Exception, OutOfTime) as error:
        log.error("job_failed", exc_info=error)
        return outcomes.failed(outcomes.describe(error)), outcomes.is_full_disk(error)


def _work(record: JobRecord, shop: Workshop, link: JobLink) -> JobResult | Drawn:
    if link.cancelled():
        raise Cancelled("the job was cancelled before it began")
    match record.request:
        case TrainRequest() as request:
            return run_train(record, request, shop=shop, link=link)
        case GenerateRequest() as request if record.stage == "evaluation":
            return run_assessment(record, request, shop=shop, link=link)
        case GenerateRequest() as request:
            return run_generate(record, request, shop=shop, link=link)
        case request:
            return run_evaluate(record, request, shop=shop, link=link)


@contextmanager
def _alone(job_id: str, shop: Workshop) -> Iterator[None]:
    """Wait until no other attempt at the job runs: with Redis away, a lease may lapse under a living worker.

    The lock goes with the process that holds it, however that ends.
    """
    descriptor = _patiently(lambda: os.open(shop.store.work_dir(job_id) / "lock", os.O_RDWR | os.O_CREAT, 0o600))
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
