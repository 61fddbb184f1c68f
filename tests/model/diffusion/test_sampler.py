"""The solvers against analytic denoisers, whose answers are known in closed form."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from model.diffusion.sampler import Churn, Start, dpmpp_2m_sampler, euler_sampler, solver_times, start_state
from model.diffusion.schedule import power_mean_sigma

Sampler = Callable[..., Tensor]


def sigmas_of(n_steps: int, rho: float) -> tuple[Tensor, Tensor]:
    times = solver_times(n_steps)
    sigma = power_mean_sigma(times, torch.tensor(rho), sigma_min=0.002, sigma_max=80.0)
    return times, sigma[:, None, None]


def draw(sampler: Sampler, denoise: Callable[[Tensor, Tensor, Tensor], Tensor], n_steps: int, rho: float) -> Tensor:
    times, sigmas = sigmas_of(n_steps, rho)
    x = torch.randn(20_000, 1, 1, generator=torch.Generator().manual_seed(0)) * sigmas[0]
    return sampler(denoise, x, sigmas=sigmas, times=times, after_step=lambda step: None).flatten()


def gaussian(x: Tensor, sigma: Tensor, t: Tensor) -> Tensor:
    """E[x_0 | x] for x_0 ~ N(0, 1)."""
    return x / (1 + sigma**2)


def two_gaussians(x: Tensor, sigma: Tensor, t: Tensor) -> Tensor:
    """E[x_0 | x] for the equal mixture of N(-1, 0.2^2) and N(1, 0.2^2)."""
    variance = 0.04 + sigma**2
    right = torch.sigmoid(2 * x / variance)
    means = torch.stack([-torch.ones_like(x), torch.ones_like(x)])
    each = means + 0.04 / variance * (x - means)
    return each[0] * (1 - right) + each[1] * right


@pytest.mark.parametrize(("rho", "std"), [(1, 0.504), (2, 0.904), (3, 0.935), (5, 0.947), (7, 0.949), (10, 0.949)])
def test_euler_narrows_a_gaussian_by_the_known_factor(rho: float, std: float) -> None:
    assert float(draw(euler_sampler, gaussian, 50, rho).std()) == pytest.approx(std, abs=0.006)


@pytest.mark.parametrize(("n_steps", "std"), [(10, 0.751), (20, 0.873), (100, 0.974), (200, 0.987), (1000, 0.997)])
def test_euler_converges_with_more_steps(n_steps: int, std: float) -> None:
    assert float(draw(euler_sampler, gaussian, n_steps, 7.0).std()) == pytest.approx(std, abs=0.006)


@pytest.mark.parametrize(("n_steps", "std"), [(50, 1.005), (30, 1.016), (20, 1.040)])
def test_2m_keeps_the_width_of_a_gaussian(n_steps: int, std: float) -> None:
    assert float(draw(dpmpp_2m_sampler, gaussian, n_steps, 7.0).std()) == pytest.approx(std, abs=0.006)


@pytest.mark.parametrize(
    ("sampler", "n_steps", "distance"),
    [(euler_sampler, 50, 0.034), (dpmpp_2m_sampler, 50, 0.0035), (dpmpp_2m_sampler, 20, 0.030)],
)
def test_mixture_of_two_gaussians(sampler: Sampler, n_steps: int, distance: float) -> None:
    """Wasserstein-1 between sample and truth, by sorted values; half of it may be sampling noise."""
    sample = np.sort(draw(sampler, two_gaussians, n_steps, 7.0).numpy())
    generator = np.random.default_rng(0)
    truth = np.concatenate([generator.normal(-1, 0.2, 1_000_000), generator.normal(1, 0.2, 1_000_000)])
    quantiles = np.quantile(truth, (np.arange(len(sample)) + 0.5) / len(sample))
    assert np.abs(sample - quantiles).mean() < distance + 0.012


@pytest.mark.parametrize("sampler", [euler_sampler, dpmpp_2m_sampler])
def test_a_denoiser_that_knows_the_answer_returns_it(sampler: Sampler) -> None:
    sample = draw(sampler, lambda x, sigma, t: torch.full_like(x, 3.0), 20, 7.0)
    assert torch.allclose(sample, torch.full_like(sample, 3.0), atol=1e-4)


@pytest.mark.parametrize("sampler", [euler_sampler, dpmpp_2m_sampler])
def test_one_evaluation_and_one_report_per_step(sampler: Sampler) -> None:
    times, sigmas = sigmas_of(7, 7.0)
    calls: list[float] = []
    steps: list[int] = []

    def denoise(x: Tensor, sigma: Tensor, t: Tensor) -> Tensor:
        calls.append(float(t))
        return x

    sampler(denoise, torch.zeros(1, 1, 1), sigmas=sigmas, times=times, after_step=steps.append)
    assert calls == pytest.approx(times.tolist())
    assert steps == [1, 2, 3, 4, 5, 6, 7]


def rate_of(rare: float, *, start: Start, n: int = 200_000) -> float:
    """Share of the rare of two opposite categories (d = 4, unit RMS) that come out, with the exact denoiser."""
    points = torch.ones(2, 4) * torch.tensor([[1.0], [-1.0]])
    log_prior = torch.tensor([1 - rare, rare]).log()

    def denoise(x: Tensor, sigma: Tensor, t: Tensor) -> Tensor:
        distance = (x[..., None, :] - points).square().sum(-1) / (2 * sigma[..., :1] ** 2)
        return torch.softmax(log_prior - distance, -1) @ points

    times = solver_times(50)
    sigma = power_mean_sigma(times, torch.tensor(5.0), sigma_min=0.002, sigma_max=100.0)
    sigmas = sigma[:, None, None].expand(-1, 1, 4)
    noise = torch.randn(n, 1, 4, generator=torch.Generator().manual_seed(0))
    x = start_state(denoise, noise, sigmas=sigmas, times=times, start=start)
    sample = dpmpp_2m_sampler(denoise, x, sigmas=sigmas, times=times, after_step=lambda step: None)
    return float((sample @ points.T).argmax(-1).float().mean())


@pytest.mark.parametrize("rate", [0.08, 0.02])
def test_starting_at_the_mean_gives_rare_categories_their_rate(rate: float) -> None:
    noise = 3 * (rate * (1 - rate) / 200_000) ** 0.5
    assert rate_of(rate, start="mean") == pytest.approx(rate, abs=noise)
    assert rate_of(rate, start="zero") > rate + noise


def churned(amount: float, n: int = 20_000) -> Churn:
    def noise(step: int) -> Tensor:
        return torch.randn(n, 1, 1, generator=torch.Generator().manual_seed(100 + step))

    return Churn(torch.tensor([amount]), noise)


@pytest.mark.parametrize("eta", [0.3, 1.0])
def test_churn_has_the_marginals_of_the_ode(eta: float) -> None:
    sample = draw(partial(dpmpp_2m_sampler, churn=churned(eta)), gaussian, 100, 7.0)
    assert float(sample.std()) == pytest.approx(1, abs=0.02)
    assert abs(float(sample.mean())) < 0.03


def test_no_churn_is_the_ode() -> None:
    expected = draw(dpmpp_2m_sampler, two_gaussians, 20, 7.0)
    assert torch.allclose(
        draw(partial(dpmpp_2m_sampler, churn=churned(0.0)), two_gaussians, 20, 7.0), expected, atol=1e-5
    )


def test_churn_forgets_the_start() -> None:
    """With fresh noise, where a stay begins does not say where it ends; on the ODE it does."""

    def correlation(sampler: Sampler) -> float:
        start = torch.randn(20_000, 1, 1, generator=torch.Generator().manual_seed(0)).flatten()
        return float(torch.corrcoef(torch.stack([start, draw(sampler, gaussian, 50, 7.0)]))[0, 1])

    assert correlation(dpmpp_2m_sampler) > 0.999
    assert correlation(partial(dpmpp_2m_sampler, churn=churned(1.0))) < 0.1
