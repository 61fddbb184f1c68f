import math
from collections import Counter

import pytest
import torch

from model.baselines.masking import MaskDenoising
from model.baselines.mixed_diffusion import MixedDiffusion
from model.diffusion.denoiser import Dimensions
from model.objective import Denoising, Module, Objective, log_marginals_of
from model.spec.config import NetworkConfig, TrainingConfig

DIMENSIONS = Dimensions(sequence_length=3, n_numerical=2, channel_sizes=(3, 2), label_sizes=(2,))
NETWORK = NetworkConfig(hidden_dim=8, n_layers=1, embedding_dim=4)


def groups(objective: Objective[Module]) -> tuple[list[str], list[float]]:
    """Names of the parameters that training changes, with repetitions, and of those that it should change."""
    module = objective.build(DIMENSIONS, torch.zeros(2, 3), generator=torch.Generator().manual_seed(0))
    names = {id(value): name for name, value in module.named_parameters()}
    made = objective.parameter_groups(module)
    trained = Counter(names[id(value)] for group in made for value in group["params"])
    assert trained == Counter(name for name, value in module.named_parameters() if value.requires_grad)
    slow = [names[id(value)] for group in made if group["factor"] < 1 for value in group["params"]]
    return slow, [group["factor"] for group in made]


def test_every_parameter_is_trained_once_and_schedules_slowly() -> None:
    slow, factors = groups(Denoising(NETWORK, TrainingConfig()))
    assert len(slow) == 6
    assert all("schedule" in name for name in slow)
    assert factors == [1.0, 0.1]
    assert groups(Denoising(NETWORK, TrainingConfig(noise_schedule="fixed")))[0] == []
    slow, _ = groups(MaskDenoising(NETWORK, TrainingConfig()))
    assert slow == ["schedule.rho_global", "schedule.rho_feature", "schedule.rho_step"]
    assert groups(MixedDiffusion("transformer", 8, 1, 10, 1.0))[0] == []


def test_marginals_with_a_category_never_seen() -> None:
    found = log_marginals_of(torch.tensor([[[0, 1]], [[0, 1]], [[1, 0]], [[0, 1]]]), (3, 2)).exp()
    assert found[0].tolist() == pytest.approx([3 / 4.5, 1 / 4.5, 0.5 / 4.5])
    assert found[1, :2].tolist() == pytest.approx([0.25, 0.75])
    assert math.isclose(float(found[0].sum()), 1.0, rel_tol=1e-6)
