import pytest
import torch

from model.diffusion.denoiser import Denoised, Denoiser, Dimensions
from model.diffusion.guidance import guided, one_hot_labels
from model.spec.config import GuidanceScale, NetworkConfig


@pytest.fixture
def denoiser() -> Denoiser:
    torch.manual_seed(0)
    dimensions = Dimensions(sequence_length=4, n_numerical=2, channel_sizes=(2, 3), label_sizes=(2,))
    return Denoiser(
        dimensions,
        NetworkConfig(hidden_dim=8, n_layers=1, embedding_dim=4),
        learnable_schedule=True,
        generator=torch.Generator().manual_seed(0),
    ).requires_grad_(False)


def at(denoiser: Denoiser) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    t = torch.tensor(0.4)
    sigma = denoiser.sigma(t[None])[0]
    return torch.randn(3, *sigma.shape, generator=torch.Generator().manual_seed(1)) * sigma, sigma, t


def branch(denoiser: Denoiser, label: torch.Tensor) -> Denoised:
    state, sigma, t = at(denoiser)
    denoised: Denoised = denoiser(state, sigma.expand_as(state), t.expand(3), label)
    return denoised


LABEL = torch.tensor([[1.0, 0.0]] * 3)


def test_one_hot_of_several_labels_and_zeros_where_not_given() -> None:
    codes = torch.tensor([[1, 2], [-1, 0], [0, -1]])
    expected = [[0, 1, 0, 0, 1], [0, 0, 1, 0, 0], [1, 0, 0, 0, 0]]
    assert one_hot_labels(codes, (2, 3)).tolist() == expected


def test_scale_one_is_the_conditional_branch(denoiser: Denoiser) -> None:
    result = guided(denoiser, LABEL, scale=GuidanceScale(numerical=1, categorical=1))(*at(denoiser))
    assert torch.allclose(result, denoiser.denoised_state(branch(denoiser, LABEL)), atol=1e-6)


@pytest.mark.parametrize("scale", [GuidanceScale(numerical=0, categorical=0), GuidanceScale()])
def test_scale_zero_or_no_label_is_the_unconditional_branch(denoiser: Denoiser, scale: GuidanceScale) -> None:
    label = LABEL if scale.numerical == 0 else torch.zeros_like(LABEL)
    result = guided(denoiser, label, scale=scale)(*at(denoiser))
    expected = denoiser.denoised_state(branch(denoiser, torch.zeros_like(LABEL)))
    assert torch.allclose(result, expected, atol=1e-5)


def test_guidance_extrapolates_values_and_raw_logits(denoiser: Denoiser) -> None:
    """(1 + w) D(x, y) - w D(x, 0), with w = scale - 1, per kind of feature."""
    result = guided(denoiser, LABEL, scale=GuidanceScale(numerical=3.0, categorical=2.0))(*at(denoiser))
    one, zero = branch(denoiser, LABEL), branch(denoiser, torch.zeros_like(LABEL))
    real = ~zero.logits.isinf()
    logits = torch.where(real, 2 * one.logits - torch.where(real, zero.logits, 0), -torch.inf)
    expected = denoiser.denoised_state(Denoised(3 * one.numerical - 2 * zero.numerical, logits))
    assert torch.allclose(result, expected, atol=1e-5)
