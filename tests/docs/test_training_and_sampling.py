from pathlib import Path

import pytest

from model.spec.base import Spec
from model.spec.config import GuidanceScale, NetworkConfig, SamplerConfig, TrainingConfig

PAGE = (Path(__file__).parents[2] / "docs" / "training-and-sampling.md").read_text()
UNSAID = {"categorical_diffusion"}  # has one value


@pytest.mark.parametrize("config", [TrainingConfig, NetworkConfig, SamplerConfig, GuidanceScale])
def test_every_setting_is_described(config: type[Spec]) -> None:
    said = PAGE.replace('"', "`")
    assert [name for name in config.model_fields if name not in UNSAID and f"`{name}`" not in said] == []


def test_the_defaults_are_those_of_the_code() -> None:
    training, sampler = TrainingConfig(), SamplerConfig()
    assert f"| {training.max_steps:,}, none |" in PAGE
    low, high = training.rho_range
    assert f"| .1, {training.schedule_travel:g}, [{low:g}, {high:g}] |" in PAGE
    assert f"| `{sampler.solver}`, {sampler.n_steps} |" in PAGE
    assert f"| `guidance_scale` | {sampler.guidance_scale} |" in PAGE
    assert f"| `times` | `{training.times}` |" in PAGE
    assert f"| `categorical_weight` | {training.categorical_weight:g} |" in PAGE
    assert f"| `churn` | {sampler.churn:g} |" in PAGE
