import pytest
import torch

from model.diffusion.denoiser import Denoiser, Dimensions, start_at_marginals
from model.diffusion.precond import c_skip
from model.spec.config import NetworkConfig

TINY = NetworkConfig(hidden_dim=8, n_layers=2, embedding_dim=4)


def denoiser_of(
    *, n_numerical: int = 2, channels: tuple[int, ...] = (2, 3), labels: tuple[int, ...] = (2,)
) -> Denoiser:
    torch.manual_seed(0)
    dimensions = Dimensions(sequence_length=5, n_numerical=n_numerical, channel_sizes=channels, label_sizes=labels)
    return Denoiser(dimensions, TINY, learnable_schedule=True, generator=torch.Generator().manual_seed(0))


def evaluate(denoiser: Denoiser, batch: int, t: float = 0.5) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    times = torch.full((batch,), t)
    sigma = denoiser.sigma(times)
    state = torch.randn(sigma.shape, generator=torch.Generator().manual_seed(1)) * sigma
    denoised = denoiser(state, sigma, times, torch.zeros(batch, sum(denoiser.dimensions.label_sizes)))
    return state, denoised.numerical, denoised.logits


@pytest.mark.parametrize(
    ("n_numerical", "channels", "labels"),
    [(2, (2, 3), (2,)), (0, (2,), (2,)), (1, (2,), ()), (3, (2, 2, 2, 7), (2, 4))],
)
@pytest.mark.parametrize("batch", [1, 3])
def test_any_mix_of_features(n_numerical: int, channels: tuple[int, ...], labels: tuple[int, ...], batch: int) -> None:
    denoiser = denoiser_of(n_numerical=n_numerical, channels=channels, labels=labels)
    state, numerical, logits = evaluate(denoiser, batch)
    assert state.shape == (batch, 5, denoiser.state_dim)
    assert numerical.shape == (batch, 5, n_numerical)
    assert logits.shape == (batch, 5, len(channels), max(channels))
    assert (
        denoiser.denoised_state(
            denoiser(
                state,
                denoiser.sigma(torch.full((batch,), 0.5)),
                torch.full((batch,), 0.5),
                torch.zeros(batch, sum(labels)),
            )
        )
        .isfinite()
        .all()
    )


def test_pack_and_unpack_are_inverse() -> None:
    denoiser = denoiser_of()
    numerical, codes = torch.randn(4, 5, 2), torch.randint(0, 2, (4, 5, 2))
    values, embeddings = denoiser.unpack(denoiser.pack(numerical, codes))
    assert torch.equal(values, numerical)
    assert torch.equal(denoiser.embedding.nearest(embeddings), codes)


def test_logits_start_at_the_marginals() -> None:
    denoiser = denoiser_of()
    marginals = torch.tensor([[0.9, 0.1, 1.0], [0.2, 0.3, 0.5]])
    start_at_marginals(denoiser.network.outputs, marginals.log())
    _, _, logits = evaluate(denoiser, 3)
    assert torch.allclose(logits.softmax(-1)[..., 0, :2], torch.tensor([0.9, 0.1]), atol=1e-6)
    assert torch.allclose(logits.softmax(-1)[..., 1, :], marginals[1], atol=1e-6)


def test_padding_never_gets_probability() -> None:
    _, _, logits = evaluate(denoiser_of(channels=(2, 5)), 2)
    assert (logits.softmax(-1)[..., 0, 2:] == 0).all()


def test_almost_without_noise_the_values_pass_through() -> None:
    denoiser = denoiser_of()
    state, numerical, _ = evaluate(denoiser, 3, t=0.0)
    sigma = denoiser.sigma(torch.zeros(3))[..., :2]
    assert torch.allclose(numerical, c_skip(sigma) * state[..., :2], atol=0.02)


def test_clinical_order_matters_and_other_stays_do_not() -> None:
    denoiser = denoiser_of()
    times = torch.full((2,), 0.3)
    sigma = denoiser.sigma(times)
    state = torch.randn(sigma.shape)
    together = denoiser(state, sigma, times, torch.zeros(2, 2)).numerical
    alone = denoiser(state[:1], sigma[:1], times[:1], torch.zeros(1, 2)).numerical
    reversed_ = denoiser(state.flip(1), sigma, times, torch.zeros(2, 2)).numerical.flip(1)
    assert torch.allclose(together[:1], alone, atol=1e-5)
    assert not torch.allclose(together, reversed_, atol=1e-3)


def test_bfloat16_products_stay_near_the_float32_reference() -> None:
    denoiser = denoiser_of()
    denoiser.requires_grad_(False)
    _, reference, _ = evaluate(denoiser, 16)
    denoiser.compute_dtype = torch.bfloat16
    _, numerical, logits = evaluate(denoiser, 16)
    assert numerical.dtype == logits.dtype == torch.float32
    assert float((numerical - reference).norm() / reference.norm()) < 0.02
