import pytest
import torch

from model.baselines.masking import MASK, MaskDenoiser, mask_loss, masked
from model.diffusion.denoiser import Dimensions, start_at_marginals
from model.diffusion.loss import low_discrepancy_times
from model.spec.config import NetworkConfig, TrainingConfig

DIMENSIONS = Dimensions(sequence_length=4, n_numerical=2, channel_sizes=(3, 2), label_sizes=(2,))
MARGINALS = torch.tensor([[0.2, 0.5, 0.3], [0.9, 0.1, 0.0]])


@pytest.fixture
def denoiser() -> MaskDenoiser:
    torch.manual_seed(0)
    return MaskDenoiser(
        DIMENSIONS,
        NetworkConfig(hidden_dim=8, n_layers=1, embedding_dim=4),
        TrainingConfig(),
        generator=torch.Generator().manual_seed(0),
    )


def independent(n: int, generator: torch.Generator) -> torch.Tensor:
    """(n, 1, 2) codes with MARGINALS."""
    return torch.multinomial(MARGINALS, n, replacement=True, generator=generator).T[:, None, :]


def test_a_share_t_of_the_categories_is_hidden() -> None:
    codes, generator = torch.ones(2, 50, 1000, dtype=torch.long), torch.Generator().manual_seed(0)
    hidden = masked(codes, torch.tensor([0.1, 1.0]), torch.rand(codes.shape, generator=generator)) == MASK
    assert float(hidden[0].float().mean()) == pytest.approx(0.1, abs=0.005)
    assert hidden[1].all()


def test_the_loss_of_the_true_marginals_is_their_entropy() -> None:
    """The weight 1 / t undoes the probability t of being asked, so that each position counts once."""
    generator = torch.Generator().manual_seed(0)
    codes, t = independent(200_000, generator), low_discrepancy_times(200_000, generator).clamp(min=1e-3)
    codes_t = masked(codes, t, torch.rand(codes.shape, generator=generator))
    logits = MARGINALS.log().expand(*codes.shape, 3)
    entropy = -torch.special.xlogy(MARGINALS, MARGINALS).sum() / 2
    assert float(mask_loss(logits, codes, codes_t, t)) == pytest.approx(float(entropy), rel=0.02)


def test_the_loss_is_least_at_the_frequencies_of_the_data() -> None:
    generator = torch.Generator().manual_seed(0)
    codes, t = independent(20_000, generator), low_discrepancy_times(20_000, generator).clamp(min=1e-3)
    codes_t = masked(codes, t, torch.rand(codes.shape, generator=generator))
    logits = torch.zeros(2, 3, requires_grad=True)
    optimiser = torch.optim.LBFGS([logits], max_iter=30)

    def loss() -> float:
        optimiser.zero_grad()
        value = mask_loss(logits.expand(*codes.shape, 3), codes, codes_t, t)
        torch.autograd.backward(value)
        return float(value.detach())

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    torch.testing.assert_close(logits.softmax(-1).detach(), MARGINALS, atol=0.03, rtol=0)


def test_categories_that_are_seen_cost_nothing() -> None:
    codes = torch.tensor([[[1, 0]]])
    assert float(mask_loss(torch.zeros(1, 1, 2, 3), codes, codes, torch.tensor([0.3]))) == 0.0


def test_a_hidden_category_says_nothing_and_a_seen_one_something(denoiser: MaskDenoiser) -> None:
    torch.nn.init.normal_(denoiser.network.outputs.weight, generator=torch.Generator().manual_seed(0))
    x, label = torch.zeros(1, 4, 2), torch.zeros(1, 2)
    hidden = torch.full((1, 4, 2), MASK)
    seen = hidden.clone()
    seen[0, 1, 0] = 2
    plain, told = (
        denoiser(x, torch.ones(1, 4, 2), codes, torch.tensor([0.5]), label).logits for codes in (hidden, seen)
    )
    assert plain[..., 1, 2].isneginf().all()
    assert not torch.allclose(plain[0, :, 0], told[0, :, 0])


def test_it_starts_at_the_marginals(denoiser: MaskDenoiser) -> None:
    start_at_marginals(denoiser.network.outputs, MARGINALS.clamp(min=1e-9).log())
    denoised = denoiser(
        torch.randn(3, 4, 2), torch.ones(3, 4, 2), torch.full((3, 4, 2), MASK), torch.full((3,), 0.5), torch.zeros(3, 2)
    )
    torch.testing.assert_close(denoised.logits.softmax(-1)[0, 0].detach(), MARGINALS)
