import pytest
from pydantic import ValidationError

from model.spec.config import GuidanceScale, SamplerConfig, TrainingConfig


def test_one_guidance_scale_serves_both_kinds_of_feature() -> None:
    assert SamplerConfig(guidance_scale=0).guidance == GuidanceScale(numerical=0, categorical=0)
    assert (
        SamplerConfig.model_validate({"guidance_scale": {"numerical": 1, "categorical": 2}}).guidance.categorical == 2
    )


@pytest.mark.parametrize(
    "given", [{"n_steps": 0}, {"n_steps": 1_000_000}, {"solver": "heun"}, {"steps": 50}, {"guidance_scale": -1}]
)
def test_impossible_samplers_do_not_parse(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SamplerConfig.model_validate(given)


@pytest.mark.parametrize(
    "given", [{}, {"epsilon": 0}, {"epsilon": 101}, {"epsilon": 1, "delta": 1}, {"epsilon": 1, "seed": 3}]
)
def test_impossible_privacy_does_not_parse(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TrainingConfig.model_validate({"privacy": given})


def test_privacy_has_no_quantiles() -> None:
    with pytest.raises(ValidationError, match="only with scaling 'zscore'"):
        TrainingConfig.model_validate({"privacy": {"epsilon": 1}, "scaling": "quantile"})


def test_not_a_number_is_no_setting() -> None:
    with pytest.raises(ValidationError):
        TrainingConfig(learning_rate=float("nan"))
