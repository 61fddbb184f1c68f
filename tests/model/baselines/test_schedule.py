import pytest
import torch

from model.baselines.schedule import LinearSchedule


def test_the_reference_schedule_of_ho_et_al() -> None:
    schedule = LinearSchedule(1000)
    betas = -torch.expm1(schedule.log_alpha)
    assert [float(betas[t]) for t in (0, 1, 1000)] == pytest.approx([0, 1e-4, 0.02])
    assert float(schedule.log_alpha_bar[0]) == 0.0
    # the product of all 1 - beta_t, which the paper rounds to a prior divergence of 1e-5 bits
    assert float(schedule.log_alpha_bar[1000].exp()) == pytest.approx(4.036e-5, rel=1e-3)


@pytest.mark.parametrize("n_steps", [10, 100, 4000])
def test_few_steps_destroy_as_much(n_steps: int) -> None:
    log_alpha_bar = LinearSchedule(n_steps).log_alpha_bar
    assert log_alpha_bar.isfinite().all()
    assert float(log_alpha_bar[-1].exp()) < 2e-3
    assert (log_alpha_bar.diff() < 0).all()
