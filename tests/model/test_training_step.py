import dataclasses

import pytest
import torch
from torch import Tensor, nn

from model.diffusion.precision import MixedPrecision
from model.objective import Batch, ParameterGroup
from model.spec.errors import NonFiniteLoss
from model.training_step import OptimiserStep, drop_labels


class Mean(MixedPrecision):
    """A module that learns one number."""

    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros(()))


@dataclasses.dataclass(frozen=True)
class Distance:
    """Half the squared distance between the number and the stays' mean, whose gradient is their difference."""

    def build(self, dimensions: object, log_marginals: Tensor, *, generator: torch.Generator) -> Mean:
        return Mean()

    def loss(self, module: Mean, batch: Batch, *, generator: torch.Generator) -> Tensor:
        return (module.value - batch.numerical.mean()).square() / 2

    def parameter_groups(self, module: Mean) -> list[ParameterGroup]:
        return [{"params": [module.value], "factor": 2.0}]


def step_on(values: list[float], device: str = "cpu", batch_size: int = 2) -> tuple[OptimiserStep[Mean], Mean]:
    numerical = torch.tensor(values, device=device)[:, None, None]
    codes = torch.zeros(len(values), 1, 1, dtype=torch.long, device=device)
    data = Batch(numerical, codes, codes[:, 0], numerical.isfinite())
    module = Mean().to(device)
    return OptimiserStep(Distance(), module, data, batch_size=batch_size, learning_rate=0.1, label_dropout=0.2), module


def test_adams_first_step_has_the_size_of_the_learning_rate() -> None:
    step, module = step_on([1.0, 3.0, -50.0])
    step(0, torch.tensor([0, 1]), seed=0, factor=0.5, total=1.0)
    assert module.value.item() == pytest.approx(0.1 * 2.0 * 0.5, rel=1e-5)


def test_what_a_group_travels_ends_where_it_is_told() -> None:
    """Adam's steps along a gradient that hardly changes are as long as the rate."""
    step, module = step_on([100.0])
    for group in step.optimiser.param_groups:
        group["travel"] = 0.3
    for number in range(20):
        step(number, torch.tensor([0, 0]), seed=0, factor=0.5, total=10.0)
    assert module.value.item() == pytest.approx(0.3, rel=1e-3)


def test_a_loss_that_is_not_finite_is_told_with_its_step() -> None:
    step, _ = step_on([1.0, float("inf")])
    step(7, torch.tensor([0, 0]), seed=0, factor=1.0, total=1.0)
    with pytest.raises(NonFiniteLoss, match="at step 8;"):
        step(8, torch.tensor([0, 1]), seed=0, factor=1.0, total=1.0)


def test_a_finite_loss_whose_gradient_is_not_finite_is_told_with_its_step() -> None:
    step, module = step_on([0.0])
    module.value.register_hook(lambda gradient: gradient / 0)  # type: ignore[no-untyped-call]
    with pytest.raises(NonFiniteLoss, match="at step 3;"):
        step(3, torch.tensor([0, 0]), seed=0, factor=1.0, total=1.0)


def test_where_losses_are_looked_at_now_and_then_the_first_bad_step_is_told() -> None:
    step, _ = step_on([1.0, float("nan")])
    step._on_gpu = True
    step.optimiser.param_groups[0]["lr"] = torch.tensor(0.1)
    for number, stay in ((4, 0), (5, 0), (6, 1), (7, 0)):
        step(number, torch.tensor([stay, stay]), seed=0, factor=1.0, total=1.0)
    with pytest.raises(NonFiniteLoss, match="at step 6;"):
        step.check()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_captured_step_does_what_plain_steps_do() -> None:
    values = {}
    for device in ("cpu", "cuda"):
        step, module = step_on([1.0, 3.0, 5.0], device)
        for number in range(12):
            chosen = torch.tensor([number % 3, (number + 1) % 3], device=device)
            step(number, chosen, seed=number, factor=1 / (1 + number), total=1.0)
        step.check()
        values[device] = module.value.item()
    assert values["cuda"] == pytest.approx(values["cpu"], rel=1e-5)


def test_labels_are_dropped_for_whole_stays_and_singly() -> None:
    generator = torch.Generator().manual_seed(0)
    one = drop_labels(torch.ones(100_000, 1, dtype=torch.long), 0.2, generator)
    assert abs(float((one == -1).float().mean()) - 0.2) < 0.01
    two = drop_labels(torch.ones(100_000, 2, dtype=torch.long), 0.2, generator) == -1
    assert abs(float(two.all(1).float().mean()) - (0.2 + 0.8 * 0.04)) < 0.01
    assert abs(float((two.sum(1) == 1).float().mean()) - 0.8 * 2 * 0.2 * 0.8) < 0.01
