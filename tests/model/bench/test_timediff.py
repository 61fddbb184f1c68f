from __future__ import annotations

import pytest
import torch

from model.baselines.mixed_diffusion import TimeDiffDenoiser
from model.bench.plan import Plan
from model.bench.timediff import stepping, timediff_contestant, timediff_denoiser
from model.diffusion.denoiser import Dimensions

DIMENSIONS = Dimensions(sequence_length=5, n_numerical=2, channel_sizes=(2, 3), label_sizes=(2,))
CPU = torch.device("cpu")


class Counting:
    """Counts calls of a network."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.batches: list[int] = []
        forward = TimeDiffDenoiser.forward

        def counted(module: TimeDiffDenoiser, x: torch.Tensor, codes: torch.Tensor, t: torch.Tensor) -> object:
            self.batches.append(len(x))
            return forward(module, x, codes, t)

        monkeypatch.setattr(TimeDiffDenoiser, "forward", counted)


def test_only_so_many_of_the_thousand_steps_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting(monkeypatch)
    stepping(timediff_denoiser(DIMENSIONS, CPU), 3, 7)()
    assert counting.batches == [3] * 7


def test_the_rival_is_of_timediffs_size_and_its_part_of_the_work_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Plan(timediff_batches=(4,), timediff_steps=50)
    rival = timediff_contestant(DIMENSIONS, plan, CPU, clock=iter(range(100)).__next__)
    assert rival.amount == 4 * 50 / 1000
    assert rival.basis == "from 50 of 1,000 steps of 4 stays"
    counting = Counting(monkeypatch)
    rival.run()
    assert counting.batches == [4] * 50
    recurrent = [each for each in timediff_denoiser(DIMENSIONS, CPU).modules() if isinstance(each, torch.nn.GRU)]
    assert [(each.hidden_size, each.bidirectional) for each in recurrent] == [(92, True)] * 3
