"""What a generation that somebody is about to ask for comes to: whole numbers of stays, and how long it takes."""

from __future__ import annotations

from itertools import islice

from pydantic import BaseModel, Field

from model.apportionment import fixed_label_counts, stratum_counts
from service.api.deps import Caller, Services
from service.contracts.jobs import JobRecord
from service.contracts.requests import GenerateRequest

LOOKED_AT = 100  # jobs of the past, newest first
ENOUGH_STAYS = 100  # fewer say little about a large cohort: they are drawn together


class Plan(BaseModel):
    """The counts are exact, and the time a guess from an earlier job of the caller with this model."""

    label_counts: dict[str, dict[str, int]] = Field(description="of the labels that the request fixes")
    stratum_counts: list[int] | None = None
    seconds: float | None = Field(None, description="null: there is no job yet to judge by")


def plan_of(request: GenerateRequest, services: Services, *, caller: Caller) -> Plan:
    """The plan of a request that has been checked."""
    schema, ratios = services.store.model(request.model_id).table_schema, request.label_ratios
    return Plan(
        label_counts=fixed_label_counts(ratios, schema, request.n_stays),
        stratum_counts=stratum_counts(ratios, schema, request.n_stays) if isinstance(ratios, tuple) else None,
        seconds=_seconds(request, services, caller),
    )


def _seconds(request: GenerateRequest, services: Services, caller: Caller) -> float | None:
    records = services.jobs.records(islice(services.store.ids("jobs"), LOOKED_AT))
    return next(
        (seconds for job in records if caller.owns(job.caller) and (seconds := _as_long_as(job, request)) is not None),
        None,
    )


def _as_long_as(job: JobRecord, request: GenerateRequest) -> float | None:
    """How long the request would take if it went like `job`; None if that says nothing about it."""
    done, result = job.request, job.result
    if not isinstance(done, GenerateRequest) or result is None or done.model_id != request.model_id:
        return None
    if done.n_stays < ENOUGH_STAYS or "sampling" not in result.timings or done.detail != request.detail:
        return None
    if request.evaluate and not done.evaluate:
        return None
    work = (request.n_stays * request.sampler.n_steps) / (done.n_stays * done.sampler.n_steps)
    judging = result.timings.get("evaluation", 0.0) if request.evaluate else 0.0
    return result.timings["sampling"] * work + judging
