import pytest
import torch

from model.diffusion.denoiser import Denoiser, Dimensions
from model.diffusion.loss import diffusion_loss
from model.objective import Batch
from model.private.gradients import ClippedSum, Noised
from model.spec.config import NetworkConfig, TrainingConfig

N, LENGTH = 12, 5


@pytest.fixture
def denoiser() -> Denoiser:
    """A small one whose outputs and exponents are not where they begin: all of it has a gradient."""
    torch.manual_seed(0)
    dimensions = Dimensions(LENGTH, 3, (2, 4), (2, 3))
    config = NetworkConfig(hidden_dim=8, n_layers=2, embedding_dim=4)
    made = Denoiser(dimensions, config, learnable_schedule=True, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for value in made.parameters():
            value.add_(0.05 * torch.randn_like(value))
    return made


@pytest.fixture
def batch() -> Batch:
    generator = torch.Generator().manual_seed(1)
    return Batch(
        numerical=torch.randn(N, LENGTH, 3, generator=generator),
        codes=torch.stack([torch.randint(0, c, (N, LENGTH), generator=generator) for c in (2, 4)], dim=-1),
        labels=torch.stack([torch.randint(0, c, (N,), generator=generator) for c in (2, 3)], dim=-1),
        observed=torch.rand(N, LENGTH, 3, generator=generator) < 0.7,
    )


def one_after_the_other(denoiser: Denoiser, stays: Noised, *, observed: bool) -> list[dict[str, torch.Tensor]]:
    """The gradients of each stay by ordinary backward passes of the ordinary network."""
    found = []
    for k in range(len(stays.t)):
        one = Noised(*(tensor[k : k + 1] for tensor in stays))
        denoiser.zero_grad()
        loss = diffusion_loss(
            denoiser,
            one.numerical,
            one.codes,
            label=one.label,
            t=one.t,
            noise=one.noise,
            weight=one.weight if observed else None,
        )
        torch.autograd.backward(loss.total(categorical_weight=3.0))
        found.append(
            {name: value.grad.clone() for name, value in denoiser.named_parameters() if value.grad is not None}
        )
    return found


@pytest.mark.parametrize("numerical_loss", ["all", "observed"])
def test_each_stay_has_the_gradient_that_it_has_alone(denoiser: Denoiser, batch: Batch, numerical_loss: str) -> None:
    training = TrainingConfig.model_validate({"numerical_loss": numerical_loss})
    summed = ClippedSum(denoiser, training, max_norm=1.0)
    stays = summed.noised(batch, torch.Generator().manual_seed(2))
    together = summed.of_each(stays)
    alone = one_after_the_other(denoiser, stays, observed=numerical_loss == "observed")
    assert set(together) == {name for name, _ in denoiser.named_parameters()}
    for name, gradients in together.items():
        assert gradients.abs().max() > 0, name  # nothing that is learned escapes
        torch.testing.assert_close(gradients, torch.stack([one[name] for one in alone]), rtol=1e-4, atol=1e-5, msg=name)


def test_the_sum_is_that_of_clipped_gradients_whatever_is_computed_at_once(denoiser: Denoiser, batch: Batch) -> None:
    summed = ClippedSum(denoiser, TrainingConfig(), max_norm=0.5)
    summed.at_once = 5
    total = summed(batch, generator=torch.Generator().manual_seed(7))
    generator = torch.Generator().manual_seed(7)
    expected = {name: torch.zeros_like(value) for name, value in total.items()}
    for first in range(0, N, 5):
        part = summed.noised(Batch(*(tensor[first : first + 5] for tensor in batch)), generator)
        for one in one_after_the_other(denoiser, part, observed=False):
            norm = torch.cat([gradient.flatten() for gradient in one.values()]).norm()
            for name, gradient in one.items():
                expected[name] += gradient * min(1.0, 0.5 / float(norm))
    for name, value in expected.items():
        torch.testing.assert_close(total[name], value, rtol=1e-3, atol=1e-5, msg=name)


@pytest.mark.parametrize("extreme", [1.0, 1e6, 1e30, float("nan"), float("inf")])
def test_no_stay_adds_more_than_the_norm(denoiser: Denoiser, batch: Batch, extreme: float) -> None:
    one = Batch(*(tensor[:1] for tensor in batch))
    one = one._replace(numerical=one.numerical * extreme)
    total = ClippedSum(denoiser, TrainingConfig(), max_norm=0.25)(one, generator=torch.Generator().manual_seed(2))
    norm = float(torch.cat([value.flatten() for value in total.values()]).norm())
    assert norm <= 0.25 * (1 + 1e-5)
    assert (norm > 0.2) == (extreme <= 1e6)  # what is not finite is left out


def test_a_stay_without_a_number_does_not_spoil_the_others(denoiser: Denoiser, batch: Batch) -> None:
    spoilt = batch.numerical.clone()
    spoilt[3] = torch.nan
    summed = ClippedSum(denoiser, TrainingConfig(), max_norm=0.5)
    clean = [k for k in range(N) if k != 3]
    stays = summed.noised(batch._replace(numerical=spoilt), torch.Generator().manual_seed(2))
    with_it, without = summed._clipped(stays), summed._clipped(Noised(*(tensor[clean] for tensor in stays)))
    for name, value in without.items():
        torch.testing.assert_close(with_it[name], value, rtol=1e-4, atol=1e-6, msg=name)


def test_of_no_stays_the_sum_is_zero(denoiser: Denoiser, batch: Batch) -> None:
    nobody = Batch(*(tensor[:0] for tensor in batch))
    total = ClippedSum(denoiser, TrainingConfig(), max_norm=1.0)(nobody, generator=torch.Generator().manual_seed(2))
    assert all(not value.any() for value in total.values())


def test_times_are_drawn_for_each_stay_alone(denoiser: Denoiser, batch: Batch) -> None:
    """Times that are spread over a batch would change for all when one stay is added."""
    summed = ClippedSum(denoiser, TrainingConfig.model_validate({"times": "uniform"}), max_norm=1.0)
    drawn = [summed.noised(batch, torch.Generator().manual_seed(seed)).t for seed in range(50)]
    in_first_twelfth = torch.stack(drawn).mul(N).long().eq(0).sum(1)  # spread ones: exactly one each
    assert in_first_twelfth.float().std() > 0
