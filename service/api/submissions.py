"""A parsed request becomes a queued job, once everything that can be checked without running it has been."""

from __future__ import annotations

from pathlib import Path

import structlog

from model.spec.errors import DataError
from model.spec.guarantee import check_bounds
from model.spec.guidance import check_guidance
from model.spec.ratios import check_ratios
from model.spec.schema import Feature, Label, NumericalFeature, Schema
from service.api.access import check_owner
from service.api.auditing import event
from service.api.deps import Caller, Services
from service.api.webhooks import check_webhook
from service.audit.entries import Event
from service.contracts.errors import InUse, LimitExceeded, NotFound, NotReady
from service.contracts.job_store import check_ended
from service.contracts.jobs import JobRecord, now
from service.contracts.records import DatasetRecord
from service.contracts.requests import EvaluateRequest, GenerateRequest, Request, TrainRequest

log = structlog.get_logger(__name__)


def submit(
    request: Request, job_id: str, *, services: Services, caller: Caller, table: Path | None = None
) -> JobRecord:
    """Check the request, write its record (and keep the uploaded `table` that it is about), queue it.

    If there is a job of that id already, of a request that was cut off by a crash, that is the job.

    Raises NotFound, NotReady, GuidanceError, LimitExceeded, RatioError or SchemaError for what cannot work,
    TooManyJobs, QueueUnavailable.
    """
    with services.exclusive:
        if services.store.exists("jobs", job_id):
            return services.jobs.read(job_id)  # the reconciler sees to it that it is in the queue
        _check(request, services)
        services.quota.check(caller.name, request)
        record = JobRecord(
            id=job_id, created_at=now(), request=request, request_id=caller.request_id, caller=caller.name
        )
        with services.audit.recorded(_submission(record, caller)):
            if request.webhook is not None:
                services.outbox.add(job_id)
            services.jobs.create(record, table=table)
        services.quota.add(caller.name, request)
    services.queue.enqueue(record)
    log.info("job_submitted", job_id=record.id, kind=record.kind)
    return record


def cancel_job(job_id: str, services: Services, *, caller: Caller) -> JobRecord:
    """Ask a job to stop; IllegalTransition if it has ended in another way."""
    with services.audit.recorded_if_possible(event("job.cancel", f"job/{job_id}", caller=caller)):
        return services.queue.cancel(job_id)


def delete_dataset(dataset_id: str, services: Services, *, caller: Caller) -> None:
    """Remove a dataset; Forbidden if it is another caller's, InUse if a job that has not ended needs it."""
    with services.exclusive:
        check_owner(caller, services.store.dataset(dataset_id).caller, "dataset")
        _check_unused(dataset_id, services, caller=caller)
        deletion = event("dataset.delete", f"dataset/{dataset_id}", caller=caller)
        with services.audit.recorded_if_possible(deletion):
            services.store.remove("datasets", dataset_id)


def delete_model(model_id: str, services: Services, *, caller: Caller) -> None:
    """Remove a model; Forbidden if it is another caller's, InUse if a job that has not ended needs it."""
    with services.exclusive:
        check_owner(caller, services.store.model(model_id).caller, "model")
        _check_unused(model_id, services, caller=caller)
        deletion = event("model.delete", f"model/{model_id}", caller=caller)
        with services.audit.recorded_if_possible(deletion):
            services.store.remove("models", model_id)


def delete_job(job_id: str, services: Services, *, caller: Caller) -> None:
    """Remove a job that has ended, with its cohort and report; a model that it made stays."""
    with services.exclusive:
        record = services.jobs.read(job_id)
        check_ended(record)
        _check_unused(job_id, services, caller=caller)
        deletion = event("job.delete", f"job/{job_id}", caller=caller, status=record.status)
        with services.audit.recorded_if_possible(deletion):
            remove_job(job_id, services)
    services.queue.forget(job_id)


def remove_job(job_id: str, services: Services) -> None:
    """Remove a job that has ended and that nobody needs, with `services.exclusive` held. NotFound."""
    check_ended(services.jobs.read(job_id))
    for kind in ("cohorts", "reports"):
        if services.store.exists(kind, job_id):
            services.store.remove(kind, job_id)
    services.store.remove_work_dir(job_id)
    services.jobs.remove(job_id)  # last: as long as it is there, the removal can be repeated


def needed_things(services: Services) -> set[str | None]:
    """The ids of all datasets, models and jobs that a job that has not ended needs."""
    return {thing_id for record in services.jobs.active() for thing_id in _needs(record.request, services)}


def _submission(record: JobRecord, caller: Caller) -> Event:
    """What is put down of a job: its kind, and what it is about."""
    thing = f"job/{record.id}"
    match record.request:
        case TrainRequest(dataset_id=dataset_id):
            return event("job.train", thing, caller=caller, dataset=dataset_id)
        case GenerateRequest(model_id=model_id, n_stays=n_stays):
            return event("job.generate", thing, caller=caller, model=model_id, n_stays=n_stays)
        case EvaluateRequest(dataset_id=dataset_id, job_id=job_id):
            return event("job.evaluate", thing, caller=caller, dataset=dataset_id, cohort=job_id or "uploaded")


def _check(request: Request, services: Services) -> None:
    check_webhook(request.webhook, services)
    match request:
        case TrainRequest():
            _check_train(request, services)
        case GenerateRequest():
            check_generate(request, services)
        case EvaluateRequest():
            _check_evaluate(request, services)


def _check_train(request: TrainRequest, services: Services) -> None:
    dataset = services.store.dataset(request.dataset_id)
    if dataset.n_stays < 2:
        raise DataError("the dataset has one stay; a training needs one to learn from and one to hold out")
    if request.training.privacy is not None:
        check_bounds(dataset.table_schema)


def check_generate(request: GenerateRequest, services: Services) -> None:
    """NotFound, LimitExceeded, RatioError or GuidanceError for a cohort that cannot be drawn."""
    schema = services.store.model(request.model_id).table_schema
    largest = min(services.settings.max_stays, services.settings.max_queued_stays)
    if request.n_stays > largest:
        raise LimitExceeded(f"n_stays: at most {largest} stays can be asked for at once", pointer="/n_stays")
    check_ratios(request.label_ratios, schema)
    check_guidance(request.sampler.guidance, schema)


def _check_evaluate(request: EvaluateRequest, services: Services) -> None:
    dataset = services.store.dataset(request.dataset_id)
    if dataset.n_stays < 2:
        raise DataError("the dataset has one stay; an evaluation needs at least 2")
    if request.holdout_dataset_id is not None:
        _check_holdout(services.store.dataset(request.holdout_dataset_id), dataset)
    if request.job_id is not None:
        _check_cohort(request.job_id, services)


def _check_holdout(holdout: DatasetRecord, dataset: DatasetRecord) -> None:
    if holdout.sha256 == dataset.sha256:
        raise DataError("the holdout dataset is the same table as the dataset; it must hold other stays")
    schema = dataset.table_schema.model_copy(update={"patient_id": None})
    missing = [name for name in schema.columns if name not in holdout.columns]
    if missing:
        raise DataError(f"the holdout dataset has no column '{missing[0]}', which the dataset has")
    misfit = _misfit(holdout.table_schema, schema)
    if misfit is not None:
        advice = "upload it with the dataset's schema"
        raise DataError(f"the holdout dataset's column '{misfit}' is not described as it is in the dataset; {advice}")


def _misfit(schema: Schema, wanted: Schema) -> str | None:
    """A column that `schema` describes so that its values need not be what `wanted` says of them.

    Read with a schema of one's own making, a table tells by its errors how many rows have which value.
    """
    if schema.stay_id != wanted.stay_id:
        return wanted.stay_id
    if (schema.time, schema.binning) != (wanted.time, wanted.binning):
        return wanted.time
    known = {column.name: column for column in (*schema.features, *schema.labels)}
    return next(
        (each.name for each in (*wanted.features, *wanted.labels) if not _fits(known.get(each.name), each)), None
    )


def _fits(column: Feature | Label | None, wanted: Feature | Label) -> bool:
    """Whether a column holds nothing but what `wanted` may hold. A label will do as a feature: it is never missing."""
    if column is None or (_is_static(wanted) and not _is_static(column)):
        return False
    if isinstance(wanted, NumericalFeature) or isinstance(column, NumericalFeature):
        return type(column) is type(wanted)
    is_never_missing = isinstance(column, Label) or not isinstance(wanted, Label)
    return is_never_missing and set(column.categories) <= set(wanted.categories)


def _is_static(column: Feature | Label) -> bool:
    return isinstance(column, Label) or column.static


def _check_cohort(job_id: str, services: Services) -> None:
    job = services.jobs.read(job_id)
    if not isinstance(job.request, GenerateRequest):
        raise NotFound("cohort of job", job_id)
    if job.status != "succeeded":
        raise NotReady(f"job '{job.id}' is {job.status}: it has no cohort to compare")


def _check_unused(thing_id: str, services: Services, *, caller: Caller) -> None:
    for record in services.jobs.active():
        if thing_id in _needs(record.request, services):
            which = f"job '{record.id}'" if caller.owns(record.caller) else "another caller's job"
            raise InUse(f"'{thing_id}' is needed by {which}, which is {record.status}")


def _needs(request: Request, services: Services) -> tuple[str | None, ...]:
    match request:
        case TrainRequest():
            return (request.dataset_id,)
        case GenerateRequest():
            return (request.model_id, _dataset_of(request.model_id, services))
        case EvaluateRequest():
            return (request.dataset_id, request.holdout_dataset_id, request.job_id)


def _dataset_of(model_id: str, services: Services) -> str | None:
    """The dataset by which the privacy gate judges what the model makes."""
    try:
        return services.store.model(model_id).dataset_id
    except NotFound:
        return None
