import math

import pytest
import torch

from model.diffusion.schedule import RHO_RANGE, PowerMeanSchedule, power_mean_sigma


def sigma(t: float, rho: float) -> float:
    return float(power_mean_sigma(torch.tensor(t), torch.tensor(rho), sigma_min=0.002, sigma_max=100.0))


@pytest.mark.parametrize(("rho", "expected"), [(0.5, 70.711), (1, 50.001), (7, 3.0215), (20, 0.9215), (1e5, 0.4472)])
def test_sigma_halfway_is_the_power_mean(rho: float, expected: float) -> None:
    assert sigma(0.5, rho) == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("rho", [0.02, 0.05, 1, 7, 15])
def test_ends_are_sigma_min_and_sigma_max_even_where_the_plain_form_overflows(rho: float) -> None:
    assert sigma(0.0, rho) == pytest.approx(0.002, rel=1e-4)
    assert sigma(1.0, rho) == pytest.approx(100.0, rel=1e-4)


def schedule(*, learnable: bool = True, rho_range: tuple[float, float] = RHO_RANGE) -> PowerMeanSchedule:
    return PowerMeanSchedule(
        sequence_length=3,
        n_features=2,
        sigma_min=0.002,
        sigma_max=80.0,
        rho=7.0,
        learnable=learnable,
        rho_range=rho_range,
    )


def test_exponents_factorise_over_features_and_steps() -> None:
    module = schedule()
    with torch.no_grad():
        module.rho_feature.copy_(torch.tensor([0.0, 1.0]))
        module.rho_step.copy_(torch.tensor([0.0, 0.25, -0.5]))
    assert torch.allclose(module.rho(), torch.tensor([[7.0, 8.0], [7.25, 8.25], [6.5, 7.5]]))
    assert sum(parameter.numel() for parameter in module.parameters()) == 1 + 2 + 3


def test_exponents_are_clamped() -> None:
    module = schedule()
    with torch.no_grad():
        module.rho_feature.copy_(torch.tensor([-99.0, 99.0]))
    assert module.rho().tolist() == [list(RHO_RANGE)] * 3


@pytest.mark.parametrize("rho_range", [(8.0, 20.0), (1.0, 4.0)])
def test_a_schedule_learns_also_where_the_bounds_leave_out_its_start(rho_range: tuple[float, float]) -> None:
    module = schedule(rho_range=rho_range)
    torch.autograd.backward(module.rho().sum())
    assert module.rho_global.grad == 6
    assert rho_range[0] <= float(module.rho_global.detach()) <= rho_range[1]


def test_sigma_has_a_finite_gradient_also_at_the_ends() -> None:
    module = schedule()
    module(torch.tensor([0.0, 0.3, 1.0])).log().sum().backward()
    for parameter in module.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()


def test_fixed_schedule_has_nothing_to_learn() -> None:
    assert not any(parameter.requires_grad for parameter in schedule(learnable=False).parameters())


def test_sigma_rises_with_t() -> None:
    values = schedule()(torch.linspace(0, 1, 20))
    assert values.shape == (20, 3, 2)
    assert (values.diff(dim=0) > 0).all()
    assert math.isclose(float(values[-1, 0, 0].detach()), 80.0, rel_tol=1e-4)
