import pytest
import torch

from model.baselines.mixed_diffusion import MixedDiffusion, TimeDiffDenoiser, sample_states
from model.diffusion.denoiser import Dimensions
from model.objective import Batch

DIMENSIONS = Dimensions(sequence_length=1, n_numerical=1, channel_sizes=(3, 2), label_sizes=(2,))
MARGINALS = torch.tensor([[0.2, 0.5, 0.3], [0.9, 0.1, 0.0]])


def objective(n_steps: int, *, weight: float = 1.0) -> MixedDiffusion:
    return MixedDiffusion("gru", hidden_dim=4, n_layers=1, n_steps=n_steps, categorical_weight=weight)


def of_marginals(n_steps: int) -> TimeDiffDenoiser:
    """A denoiser whose categories are the marginals, whatever it sees: where they are independent, it is perfect.

    `q(z_(t-1) | z_t)` is the likelihood of z_t times the marginal of z_(t-1), which is what mixing the data's
    marginal with the uniform distribution gives.
    """
    torch.manual_seed(0)
    return objective(n_steps).build(DIMENSIONS, MARGINALS.clamp(min=1e-9).log(), generator=torch.Generator())


def independent(n: int) -> Batch:
    generator = torch.Generator().manual_seed(0)
    codes = torch.multinomial(MARGINALS, n, replacement=True, generator=generator).T[:, None, :]
    labels, observed = torch.zeros(n, 1, dtype=torch.long), torch.ones(n, 1, 1, dtype=torch.bool)
    return Batch(torch.randn(n, 1, 1, generator=generator), codes, labels, observed)


def test_the_bound_of_the_perfect_denoiser_is_the_entropy() -> None:
    batch, generator = independent(60_000), torch.Generator().manual_seed(1)
    with torch.no_grad():
        loss = objective(1000).losses(of_marginals(1000), batch, generator=generator).categorical
    entropy = -torch.special.xlogy(MARGINALS, MARGINALS).sum() / 2
    assert float(loss) == pytest.approx(float(entropy), rel=0.05)


@pytest.mark.parametrize("n_steps", [10, 40])
def test_the_perfect_denoiser_draws_the_marginals(n_steps: int) -> None:
    done: list[float] = []
    _, codes = sample_states(
        of_marginals(n_steps), 8_000, generator=torch.Generator().manual_seed(0), after_step=done.append
    )
    shares = torch.stack([torch.bincount(codes[..., j].flatten(), minlength=3) / 8_000 for j in (0, 1)])
    torch.testing.assert_close(shares, MARGINALS, atol=0.02, rtol=0)
    assert done == pytest.approx([(step + 1) / n_steps for step in range(n_steps)])


def test_the_weight_counts_the_categories_alone() -> None:
    denoiser, batch = of_marginals(10), independent(100)
    light, heavy = (
        objective(10, weight=weight).loss(denoiser, batch, generator=torch.Generator().manual_seed(0))
        for weight in (0.0, 2.0)
    )
    numerical, categorical = objective(10).losses(denoiser, batch, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(light, numerical)
    torch.testing.assert_close(heavy, numerical + 2 * categorical)


def test_a_padding_category_is_impossible() -> None:
    batch = independent(50)
    _, log_z_0 = of_marginals(10)(batch.numerical, batch.codes, torch.full((50,), 3))
    assert log_z_0[..., 1, 2].tolist() == [[-70.0]] * 50
    torch.testing.assert_close(log_z_0.detach().exp().sum(-1), torch.ones(50, 1, 2))
