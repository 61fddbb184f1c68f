import pytest
import torch

from model.baselines.gaussian import denoising_step, noised
from model.baselines.schedule import LinearSchedule


def test_what_is_kept_and_what_is_added() -> None:
    """A constant 3 at t with alpha_bar = .25 becomes N(1.5, .75)."""
    schedule = LinearSchedule(1000)
    t = int((schedule.log_alpha_bar.exp() - 0.25).abs().argmin())
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(100_000, 1, 1, generator=generator)
    x = noised(schedule, torch.full_like(noise, 3.0), torch.full((100_000,), t), noise)
    assert float(x.mean()) == pytest.approx(1.5, abs=0.02)
    assert float(x.var()) == pytest.approx(0.75, abs=0.02)


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (2.0, 0.5), (-1.0, 2.0)])
def test_the_eps_of_a_gaussian_gives_that_gaussian_back(mean: float, std: float) -> None:
    """`E[eps | x_t] = sqrt(1 - a) (x_t - sqrt(a) m) / (a s^2 + 1 - a)` with a = alpha_bar_t."""
    schedule, generator = LinearSchedule(1000), torch.Generator().manual_seed(0)
    x = torch.randn(20_000, 1, 1, generator=generator)
    for t in range(1000, 0, -1):
        a = float(schedule.log_alpha_bar[t].exp())
        eps = (1 - a) ** 0.5 * (x - a**0.5 * mean) / (a * std**2 + 1 - a)
        x = denoising_step(schedule, x, eps, t, torch.randn(x.shape, generator=generator))
    assert float(x.mean()) == pytest.approx(mean, abs=0.03 * std)
    assert float(x.std()) == pytest.approx(std, rel=0.02)


def test_the_last_step_adds_no_noise_and_finds_the_clean_value() -> None:
    schedule, noise = LinearSchedule(1000), torch.randn(5, 2, 3)
    x_0 = torch.randn(5, 2, 3)
    x_1 = noised(schedule, x_0, torch.ones(5, dtype=torch.long), noise)
    torch.testing.assert_close(denoising_step(schedule, x_1, noise, 1, torch.randn(5, 2, 3)), x_0)
