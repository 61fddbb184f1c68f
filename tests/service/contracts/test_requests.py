from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from service.contracts.requests import GenerateRequest, Request, TrainRequest


def test_the_defaults_are_those_of_the_contract() -> None:
    request = GenerateRequest(model_id="model-1", n_stays=1)
    assert (request.mode, request.missing, request.format, request.seed) == ("conditional", "as_observed", "parquet", 0)
    assert request.evaluate
    assert request.label_ratios is None


def test_a_preset_fills_what_the_request_leaves_open() -> None:
    body = {"dataset_id": "data-1", "name": "a", "preset": "paper", "training": {"max_steps": 5}}
    request = TrainRequest.model_validate(body)
    assert (request.training.max_steps, request.training.batch_size) == (5, 4096)
    assert request.training.learning_rate_schedule == "constant"
    assert TrainRequest.model_validate_json(request.model_dump_json()) == request
    drawn = GenerateRequest.model_validate({"model_id": "model-1", "n_stays": 1, "preset": "paper"})
    assert (drawn.sampler.solver, drawn.sampler.n_steps, drawn.sampler.start, drawn.missing) == (
        "euler",
        50,
        "zero",
        "imputed",
    )


def test_what_a_request_says_goes_before_its_preset_and_survives_json() -> None:
    sampler = {"solver": "2m", "guidance_scale": {"numerical": 2, "labels": {"death": {"1": 3}}}}
    body = {"model_id": "model-1", "n_stays": 1, "preset": "paper", "sampler": sampler, "missing": "as_observed"}
    request = GenerateRequest.model_validate(body)
    assert (request.sampler.solver, request.sampler.n_steps, request.missing) == ("2m", 50, "as_observed")
    scale = request.sampler.guidance
    assert (scale.numerical, scale.categorical, scale.labels) == (2, 1.5, {"death": {"1": 3}})
    assert GenerateRequest.model_validate_json(request.model_dump_json()) == request


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "generate", "model_id": "model-1", "n_stays": 0},
        {"kind": "generate", "model_id": "model-1", "n_stays": -1},
        {"kind": "generate", "model_id": "model-1", "n_stays": 1.5},
        {"kind": "generate", "model_id": "model-1", "n_stays": 1, "seed": -1},
        {"kind": "generate", "model_id": "model-1", "n_stays": 1, "seed": 2**63},
        {"kind": "generate", "model_id": "../model", "n_stays": 1},
        {"kind": "generate", "model_id": "model-1", "n_stays": 1, "nstays": 1},
        {"kind": "generate", "model_id": "model-1", "n_stays": 1, "mode": "unconditional", "label_ratios": "balanced"},
        {"kind": "generate", "model_id": "model-1", "n_stays": 1, "label_ratios": {"death": {"1": float("nan")}}},
        {"kind": "train", "dataset_id": "data-1", "name": ""},
        {"kind": "train", "dataset_id": "data-1", "name": "two\nlines"},
        {"kind": "train", "dataset_id": "data-1", "name": "a", "holdout_fraction": 1},
        {"kind": "evaluate", "dataset_id": "data-1"},
        {"kind": "evaluate", "dataset_id": "data-1", "job_id": "job-1", "metrics": ["beauty"]},
        {"kind": "evaluate", "dataset_id": "data-1", "job_id": "job-1", "metrics": ["dtw"] * 60_000},
        {"kind": "destroy"},
    ],
)
def test_bad_requests_are_refused(body: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Request).validate_python(body)
