import math

import pytest
import torch

from model.diffusion.denoiser import Denoiser, Dimensions, start_at_marginals
from model.diffusion.loss import Loss, diffusion_loss, low_discrepancy_times, towards_the_middle
from model.spec.config import NetworkConfig


def denoiser_of(n_numerical: int) -> Denoiser:
    torch.manual_seed(0)
    dimensions = Dimensions(sequence_length=3, n_numerical=n_numerical, channel_sizes=(2, 4), label_sizes=(2,))
    return Denoiser(
        dimensions,
        NetworkConfig(hidden_dim=8, n_layers=1, embedding_dim=4),
        learnable_schedule=True,
        generator=torch.Generator().manual_seed(0),
    )


def arguments(denoiser: Denoiser, batch: int = 6) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        "label": torch.zeros(batch, 2),
        "t": low_discrepancy_times(batch, generator),
        "noise": torch.randn(batch, 3, denoiser.state_dim, generator=generator),
    }


def test_times_are_evenly_spread_with_one_random_offset() -> None:
    times = low_discrepancy_times(8, torch.Generator().manual_seed(3)).sort().values
    assert torch.allclose(times.diff(), torch.full((7,), 1 / 8), atol=1e-6)
    assert 0 <= float(times[0]) < 1 / 8


def test_times_towards_the_middle_have_the_shares_that_are_said() -> None:
    times = towards_the_middle(low_discrepancy_times(100_000, torch.Generator().manual_seed(0)))
    inside = ((times >= 0.1) & (times < 0.65)).float().mean()
    assert float(inside) == pytest.approx(0.75 + 0.25 * 0.55, abs=1e-3)
    assert float((times < 0.1).float().mean()) == pytest.approx(0.25 * 0.1, abs=1e-3)
    assert torch.equal(towards_the_middle(torch.tensor([0.0, 1.0])), torch.tensor([0.0, 1.0]))
    assert (towards_the_middle(torch.linspace(0, 1, 1000)).diff() > 0).all()


def test_the_categories_have_their_weight() -> None:
    assert float(Loss(torch.tensor(2.0), torch.tensor(5.0)).total(categorical_weight=3.0)) == 17


def test_one_time_is_uniform() -> None:
    generator = torch.Generator().manual_seed(0)
    assert 0 <= float(low_discrepancy_times(1, generator)) < 1


def test_uniform_logits_cost_the_entropy_of_their_categories() -> None:
    denoiser = denoiser_of(1)
    start_at_marginals(denoiser.network.outputs, torch.tensor([[0.5, 0.5, 1, 1], [0.25, 0.25, 0.25, 0.25]]).log())
    loss = diffusion_loss(denoiser, torch.randn(6, 3, 1), torch.zeros(6, 3, 2, dtype=torch.long), **arguments(denoiser))
    assert math.isclose(loss.categorical.item(), (math.log(2) + math.log(4)) / 2, rel_tol=1e-4)


@pytest.mark.parametrize("counted", [None, torch.rand(6, 3, 2, generator=torch.Generator().manual_seed(2)).round()])
def test_numerical_loss_is_the_weighted_squared_error(counted: torch.Tensor | None) -> None:
    """`lambda (D - x_0)^2` with `lambda = (sigma^2 + 1) / sigma^2`, computed here from the definition."""
    denoiser = denoiser_of(2)
    numerical, codes = torch.randn(6, 3, 2), torch.ones(6, 3, 2, dtype=torch.long)
    given = arguments(denoiser)
    sigma = denoiser.sigma(given["t"])
    state = denoiser.pack(numerical, codes) + sigma * given["noise"]
    denoised = denoiser(state, sigma, given["t"], given["label"]).numerical
    error = (sigma[..., :2] ** 2 + 1) / sigma[..., :2] ** 2 * (denoised - numerical) ** 2
    expected = error.mean() if counted is None else error[counted == 1].mean()
    loss = diffusion_loss(denoiser, numerical, codes, **given, weight=counted)
    assert torch.allclose(loss.numerical, expected, rtol=1e-3)


def test_where_no_value_counts_the_loss_is_zero() -> None:
    denoiser, codes = denoiser_of(2), torch.ones(6, 3, 2, dtype=torch.long)
    given = arguments(denoiser)
    assert diffusion_loss(denoiser, torch.randn(6, 3, 2), codes, **given, weight=torch.zeros(6, 3, 2)).numerical == 0


def test_without_numerical_features_their_loss_is_zero() -> None:
    denoiser = denoiser_of(0)
    loss = diffusion_loss(denoiser, torch.zeros(6, 3, 0), torch.zeros(6, 3, 2, dtype=torch.long), **arguments(denoiser))
    assert loss.numerical.item() == 0
    assert loss.total(categorical_weight=1.0).isfinite()


def test_everything_learns_from_it() -> None:
    denoiser = denoiser_of(2)
    loss = diffusion_loss(denoiser, torch.randn(6, 3, 2), torch.zeros(6, 3, 2, dtype=torch.long), **arguments(denoiser))
    torch.autograd.backward(loss.total(categorical_weight=1.0))
    without = [name for name, value in denoiser.named_parameters() if value.grad is None or not value.grad.any()]
    assert not [name for name in without if "film" not in name]
