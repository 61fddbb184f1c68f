from __future__ import annotations

from mmap import mmap

import pytest
import torch
from redis import Redis

from service.contracts.figures import Figures
from worker.vitals import show_vitals

HELD = 64 << 20  # bytes


@pytest.fixture
def figures(redis: Redis) -> Figures:
    return Figures(redis, "aaaaaaaaaaaa")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_the_memory_of_the_process_is_told(figures: Figures) -> None:
    show_vitals(figures, "worker-1")
    (before,) = figures.vitals(["worker-1"])
    with mmap(-1, HELD) as held:  # an array might lie in memory that the process has kept from before
        held.write(bytes(HELD))
        show_vitals(figures, "worker-1")
    (after,) = figures.vitals(["worker-1"])
    assert before is not None
    assert after is not None
    assert 0.9 * HELD < after.resident - before.resident < 2.5 * HELD
    assert (after.device, after.gpu) == ("CPU", None)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, which another test may have used")
def test_who_uses_no_gpu_does_not_begin_to(figures: Figures, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    show_vitals(figures, "worker-1")
    assert figures.gpus(["worker-1"]) == []


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_the_memory_of_the_gpu_is_told(figures: Figures) -> None:
    held = torch.zeros(1 << 20, device="cuda")
    show_vitals(figures, "worker-1")
    (memory,) = figures.gpus(["worker-1"])
    assert held.nbytes <= memory.allocated <= memory.reserved <= memory.total
