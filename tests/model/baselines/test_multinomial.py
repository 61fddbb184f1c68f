import numpy as np
import pytest
import torch

from model.baselines.multinomial import LOG_ZERO, MultinomialDiffusion
from model.baselines.schedule import LinearSchedule

T, K = 6, 3


@pytest.fixture
def chain() -> list[np.ndarray]:
    """Transition matrices (K, K) of steps 1..T; index 0 is the identity."""
    betas = -np.expm1(LinearSchedule(T).log_alpha.numpy())
    return [(1 - beta) * np.eye(K) + beta / K for beta in betas]


@pytest.fixture
def diffusion() -> MultinomialDiffusion:
    return MultinomialDiffusion(LinearSchedule(T), (K, 2))


def bayes(chain: list[np.ndarray], p_0: np.ndarray, z_t: int, t: int) -> np.ndarray:
    """`q(z_(t-1) | z_t)` where z_0 has the distribution p_0, by multiplying matrices out."""
    before = p_0 @ np.linalg.multi_dot([*chain[:t], np.eye(K)])
    joint: np.ndarray = before * chain[t][:, z_t]
    joint /= joint.sum()
    return joint


def of_one(diffusion: MultinomialDiffusion, p_0: np.ndarray, z_t: int, t: int) -> np.ndarray:
    log_z_0 = torch.as_tensor(np.stack([p_0, p_0]), dtype=torch.float32).clamp(min=1e-30).log()[None, None]
    codes_t = torch.tensor([[[z_t, 0]]])
    return diffusion.log_posterior(log_z_0, codes_t, torch.tensor([t])).exp()[0, 0, 0].numpy()


@pytest.mark.parametrize("t", range(1, T + 1))
@pytest.mark.parametrize("z_t", range(K))
@pytest.mark.parametrize("p_0", [[0, 1, 0], [1, 0, 0], [0.2, 0.5, 0.3]])
def test_the_posterior_is_that_of_bayes(
    diffusion: MultinomialDiffusion, chain: list[np.ndarray], p_0: list[float], z_t: int, t: int
) -> None:
    prior = np.array(p_0, dtype=float)
    np.testing.assert_allclose(of_one(diffusion, prior, z_t, t), bayes(chain, prior, z_t, t), atol=1e-6)


@pytest.mark.parametrize("t", range(1, T + 1))
def test_the_divergence_is_that_of_the_two_posteriors(
    diffusion: MultinomialDiffusion, chain: list[np.ndarray], t: int
) -> None:
    guess = np.array([0.2, 0.5, 0.3])
    log_z_0 = torch.as_tensor(np.stack([guess, guess]), dtype=torch.float32).log()[None, None]
    found = diffusion.divergence(log_z_0, torch.tensor([[[0, 0]]]), torch.tensor([[[2, 0]]]), torch.tensor([t]))
    q, p = bayes(chain, np.eye(K)[0], 2, t), bayes(chain, guess, 2, t)
    expected = sum(a * np.log(a / b) for a, b in zip(q, p, strict=True) if a > 1e-20)
    assert float(found[0, 0, 0]) == pytest.approx(expected, abs=1e-5)


def test_noised_codes_have_the_marginals_of_the_forward_process() -> None:
    diffusion, n, t = MultinomialDiffusion(LinearSchedule(1000), (3, 2)), 100_000, 300
    codes = torch.tensor([2, 1]).expand(n, 1, 2)
    uniform = torch.rand(codes.shape, generator=torch.Generator().manual_seed(0))
    found = diffusion.noised(codes, torch.full((n,), t), uniform)
    keep = float(diffusion.schedule.log_alpha_bar[t].exp())
    for j, (size, code) in enumerate([(3, 2), (2, 1)]):
        shares = torch.bincount(found[..., j].flatten(), minlength=3) / n
        expected = [(1 - keep) / size + keep * (c == code) if c < size else 0.0 for c in range(3)]
        assert shares.tolist() == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize("t", [1, 1000])
def test_certainty_is_finite_at_both_ends(t: int) -> None:
    """A network that is sure, and wrong: the loss is large and its gradient finite; sure and right: both are zero."""
    diffusion, times = MultinomialDiffusion(LinearSchedule(1000), (3, 2)), torch.tensor([t])
    codes, codes_t = torch.tensor([[[2, 1]]]), torch.tensor([[[0, 1]]])
    logits = torch.full((1, 1, 2, 3), LOG_ZERO)
    logits[..., 0] = 0.0
    logits.requires_grad_()
    wrong = diffusion.divergence(logits.log_softmax(-1), codes, codes_t, times)
    torch.autograd.backward(wrong.sum())
    assert wrong.isfinite().all()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    right = diffusion.divergence(diffusion.log_one_hot(codes), codes, codes_t, times)
    assert right.abs().max() < 1e-6
    if t == 1:
        assert float(wrong.detach()[0, 0, 0]) > 50


def test_at_the_end_nothing_of_the_data_is_left() -> None:
    diffusion = MultinomialDiffusion(LinearSchedule(1000), (3, 2))
    codes, codes_t, t = torch.tensor([[[2, 1]]]), torch.tensor([[[0, 1]]]), torch.tensor([1000])
    posterior = diffusion.log_posterior(diffusion.log_one_hot(codes), codes_t, t).exp()[0, 0]
    assert posterior[0].tolist() == pytest.approx([0.98 + 0.02 / 3, 0.02 / 3, 0.02 / 3], abs=1e-4)
    assert posterior[1].tolist() == pytest.approx([0.01, 0.99, 0.0], abs=1e-4)
