"""Work in halves, with a memory whose size is known."""

from __future__ import annotations

import pytest
import torch

from model.memory import Halving, is_out_of_memory


class Memory:
    """Holds so many items; remembers which parts it was given and could do."""

    def __init__(self, size: int, error: Exception) -> None:
        self.size, self.error = size, error
        self.tried: list[tuple[int, int]] = []

    def __call__(self, part: slice) -> list[int]:
        self.tried.append((part.start, part.stop))
        if part.stop - part.start > self.size:
            raise self.error
        return list(range(part.start, part.stop))


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:119] DefaultCPUAllocator: can't allocate memory: you tried to"),
    ],
)
def test_work_is_halved_until_the_memory_holds_it_and_stays_so(error: Exception) -> None:
    halving, memory = Halving(), Memory(3, error)
    assert halving.run(memory, 10) == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]
    assert memory.tried[:3] == [(0, 10), (0, 5), (0, 3)]
    memory.tried.clear()
    halving.run(memory, 7)
    assert memory.tried == [(0, 3), (3, 6), (6, 7)]


def test_what_fits_is_done_at_once() -> None:
    memory = Memory(10, MemoryError())
    assert Halving().run(memory, 10) == [list(range(10))]
    assert Halving().run(memory, 0) == []


def test_one_item_that_is_too_much_is_an_error() -> None:
    with pytest.raises(MemoryError):
        Halving().run(Memory(0, MemoryError()), 4)


def test_other_errors_are_not_tried_again() -> None:
    memory = Memory(1, RuntimeError("CUDA error: an illegal memory access was encountered"))
    with pytest.raises(RuntimeError, match="illegal"):
        Halving().run(memory, 8)
    assert len(memory.tried) == 1
    assert not is_out_of_memory(ValueError("out of memory"))
