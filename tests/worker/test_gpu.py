from __future__ import annotations

import pytest
import torch
from redis import Redis

from service.contracts.figures import Figures
from worker.gpu import show_gpu


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_nothing_is_told(redis: Redis) -> None:
    show_gpu(Figures(redis, "aaaaaaaaaaaa"), "worker-1")
    assert redis.keys() == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, which another test may have used")
def test_who_uses_no_gpu_does_not_begin_to(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    show_gpu(Figures(redis, "aaaaaaaaaaaa"), "worker-1")
    assert redis.keys() == []


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_the_memory_of_the_gpu_is_told(redis: Redis) -> None:
    figures = Figures(redis, "aaaaaaaaaaaa")
    held = torch.zeros(1 << 20, device="cuda")
    show_gpu(figures, "worker-1")
    (memory,) = figures.gpus(["worker-1"])
    assert held.nbytes <= memory.allocated <= memory.reserved <= memory.total
