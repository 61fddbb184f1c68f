from __future__ import annotations

import pytest

from service.contracts.jobs import JobRecord, JobResult, now
from service.contracts.requests import EvaluateRequest, GenerateRequest, TrainRequest


def record(request: TrainRequest | GenerateRequest | EvaluateRequest) -> JobRecord:
    return JobRecord(id="job-1", created_at=now(), request=request)


@pytest.mark.parametrize(
    "request_",
    [
        TrainRequest(dataset_id="data-1", name="a"),
        GenerateRequest(model_id="model-1", n_stays=1, label_ratios={"death": {"0": 0.25, "1": 0.75}}),
        GenerateRequest(model_id="model-1", n_stays=1, label_ratios="balanced"),
        EvaluateRequest(dataset_id="data-1", job_id="job-1", metrics=("total_variation",)),
    ],
)
def test_a_record_survives_json(request_: TrainRequest | GenerateRequest | EvaluateRequest) -> None:
    before = record(request_)
    assert JobRecord.model_validate_json(before.model_dump_json()) == before
    assert before.kind == request_.kind


def test_the_model_of_a_job_is_the_one_it_uses_or_has_made() -> None:
    assert record(GenerateRequest(model_id="model-1", n_stays=1)).model_id == "model-1"
    training = record(TrainRequest(dataset_id="data-1", name="a"))
    assert training.model_id is None
    assert training.model_copy(update={"result": JobResult(model_id="model-2")}).model_id == "model-2"
