from itertools import pairwise

import pytest
import torch
from torch import Tensor

from model.baselines.masking import MASK, MaskDenoiser
from model.baselines.unmasking import guided, sample_states
from model.diffusion.denoiser import Denoised, Dimensions
from model.diffusion.sampler import solver_times
from model.diffusion.schedule import power_mean_sigma
from model.spec.config import NetworkConfig, TrainingConfig

MARGINALS = torch.tensor([[0.2, 0.5, 0.3], [0.9, 0.1, 0.0]])


def sigmas(n_steps: int, n_numerical: int = 1) -> Tensor:
    sigma = power_mean_sigma(solver_times(n_steps), torch.tensor(7.0), sigma_min=0.002, sigma_max=80.0)
    return sigma[:, None, None].expand(-1, 1, n_numerical)


def independent(x: Tensor, sigma: Tensor, codes: Tensor, t: Tensor) -> Denoised:
    """Values of N(0, 1) and independent categories: nothing that is seen tells of what is hidden."""
    return Denoised(x / (1 + sigma**2), MARGINALS.log().expand(*codes.shape, 3))


def draw(predict: object, n: int, n_steps: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return sample_states(
        predict,  # type: ignore[arg-type]
        80.0 * torch.randn(n, 1, 1, generator=generator),
        sigmas=sigmas(n_steps),
        sizes=torch.tensor([3, 2]),
        generator=generator,
        after_step=lambda _: None,
    )


@pytest.mark.parametrize("n_steps", [2, 10, 50])
def test_independent_categories_come_at_their_marginals(n_steps: int) -> None:
    _, codes = draw(independent, 50_000, n_steps)
    shares = torch.stack([torch.bincount(codes[..., j].flatten(), minlength=3) / 50_000 for j in (0, 1)])
    torch.testing.assert_close(shares, MARGINALS, atol=0.01, rtol=0)


def test_numbers_move_as_by_the_euler_sampler() -> None:
    """50 Euler steps at rho 7 turn N(0, 1) into a standard deviation of .949."""
    x, _ = draw(independent, 50_000, 50)
    assert float(x.std()) == pytest.approx(0.949, abs=0.01)


def test_no_category_stays_hidden_and_none_is_changed_once_seen() -> None:
    seen: list[Tensor] = []

    def watched(x: Tensor, sigma: Tensor, codes: Tensor, t: Tensor) -> Denoised:
        seen.append(codes.clone())
        return independent(x, sigma, codes, t)

    _, codes = draw(watched, 2_000, 20)
    assert (codes != MASK).all()
    assert (seen[0] == MASK).all()
    assert (seen[-1] == codes).all()  # at t = 0 only the values move
    for before, after in pairwise(seen):
        assert torch.equal(before[before != MASK], after[before != MASK])
    hidden = torch.tensor([(each == MASK).float().mean() for each in seen])
    torch.testing.assert_close(hidden, solver_times(20), atol=0.03, rtol=0)


def test_categories_that_belong_together_come_together() -> None:
    """The second channel is 1 exactly where the first is 1: only those revealed in one step can disagree."""

    def together(x: Tensor, sigma: Tensor, codes: Tensor, t: Tensor) -> Denoised:
        first, second = codes[..., 0, None], codes[..., 1, None]
        p_1 = torch.where(second == MASK, 0.3, (second == 1).float())
        p_2 = torch.where(first == MASK, 0.3, (first == 1).float())
        p = torch.cat([torch.stack([1 - p, p, 0 * p], dim=-1) for p in (p_1, p_2)], dim=-2)
        return Denoised(x, p.log())

    _, codes = draw(together, 20_000, 200)
    assert float((codes[..., 0] != codes[..., 1]).float().mean()) < 0.01
    assert float((codes[..., 0] == 1).float().mean()) == pytest.approx(0.3, abs=0.015)


def test_guidance_is_linear_in_values_and_raw_logits() -> None:
    torch.manual_seed(0)
    denoiser = MaskDenoiser(
        Dimensions(sequence_length=1, n_numerical=1, channel_sizes=(3, 2), label_sizes=(2,)),
        NetworkConfig(hidden_dim=8, n_layers=1, embedding_dim=4),
        TrainingConfig(),
        generator=torch.Generator().manual_seed(0),
    )
    x, codes, t = torch.randn(4, 1, 1), torch.full((4, 1, 2), MASK), torch.tensor(0.5)
    label = torch.tensor([[0.0, 1.0]]).expand(4, 2)
    nothing, alone, strong = (guided(denoiser, label, scale=s)(x, torch.ones(1, 1), codes, t) for s in (0.0, 1.0, 3.0))
    unlabelled = guided(denoiser, torch.zeros(4, 2), scale=3.0)(x, torch.ones(1, 1), codes, t)
    torch.testing.assert_close(unlabelled.numerical, nothing.numerical)
    torch.testing.assert_close(strong.numerical, nothing.numerical + 3 * (alone.numerical - nothing.numerical))
    logits = nothing.logits + 3 * (alone.logits - nothing.logits)
    torch.testing.assert_close(strong.logits[..., 0, :], logits[..., 0, :])
    assert strong.logits[..., 1, 2].isneginf().all()
