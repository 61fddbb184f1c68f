import torch
from torch import nn

from model.diffusion.ema import EMA


def test_average_follows_the_recursion_with_warm_up() -> None:
    module = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        module.weight.fill_(0.0)
    ema = EMA(module, decay=0.5)
    expected = 0.0
    for step in range(12):
        with torch.no_grad():
            module.weight.fill_(float(step + 1))
        ema.update(module, step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * (step + 1)
    assert abs(float(ema.averages["weight"]) - expected) < 1e-5


def test_a_constant_is_its_own_average() -> None:
    module = nn.Linear(3, 2)
    ema = EMA(module, decay=0.99)
    for step in range(5):
        ema.update(module, step)
    assert torch.allclose(ema.averages["weight"], module.weight)


def test_copying_sets_the_parameters() -> None:
    source, target = nn.Linear(3, 2), nn.Linear(3, 2)
    EMA(source, decay=0.9).copy_to(target)
    assert torch.equal(source.weight, target.weight)
