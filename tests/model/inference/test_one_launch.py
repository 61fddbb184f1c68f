import pytest
import torch
from torch import Tensor

from model.inference import one_launch
from model.inference.choice import random_inputs
from model.inference.one_launch import KEPT_SHAPES, OneLaunch
from model.inference.reference import Reference
from tests.model.inference.networks import made_up_denoiser


class Counting:
    """An engine that counts the stays that it was called with."""

    name = "counting"

    def __init__(self) -> None:
        self.calls: list[int] = []

    def __call__(self, scaled: Tensor, t: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        self.calls.append(len(scaled))
        return scaled + t, labels + t


def test_results_are_those_of_the_engine_and_stay_what_they_are() -> None:
    denoiser = made_up_denoiser()
    inputs, plain = random_inputs(denoiser), Reference(denoiser.network)
    engine = OneLaunch(plain)
    assert engine.name == plain.name
    first, second = (engine(inputs.scaled, torch.tensor(t), inputs.labels) for t in (0.2, 0.8))
    for t, found in ((0.2, first), (0.8, second)):
        expected = plain(inputs.scaled, torch.tensor(t), inputs.labels)
        assert all(torch.equal(mine, truth) for mine, truth in zip(found, expected, strict=True))


def test_large_calls_are_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_launch, "MOST_NUMBERS", 10)
    inner = Counting()
    engine = OneLaunch(inner)
    engine(torch.zeros(11, 1, 1), torch.tensor(0.0), torch.zeros(1, 11, 2))
    assert inner.calls == [11]
    assert not engine._calls


def test_the_last_few_shapes_are_kept() -> None:
    engine = OneLaunch(Counting())
    for n in range(1, KEPT_SHAPES + 3):
        engine(torch.zeros(n, 1, 1), torch.tensor(0.0), torch.zeros(1, n, 2))
    assert [shapes[0][0] for shapes in engine._calls] == list(range(3, KEPT_SHAPES + 3))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_graph_computes_what_the_engine_computes() -> None:
    denoiser = made_up_denoiser().to("cuda")
    inputs, plain = random_inputs(denoiser), Reference(denoiser.network)
    scaled, labels = inputs.scaled[:20], inputs.labels[:, :20]
    engine = OneLaunch(plain)
    for i in range(8):
        t = torch.tensor(i / 8, device="cuda")
        found, expected = engine(scaled, t, labels), plain(scaled, t, labels)
        assert all(torch.allclose(mine, truth, atol=1e-6) for mine, truth in zip(found, expected, strict=True))
    assert next(iter(engine._calls.values()))._run._graph is not None
