"""Work that is too large for the memory is done in halves."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from typing import TypeVar

import torch

Part = TypeVar("Part")

_log = logging.getLogger(__name__)

_ALLOCATION_FAILED = (  # what CUDA's libraries and torch's CPU allocator say, as plain RuntimeErrors
    "out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "can't allocate memory",
    "not enough memory",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the memory of the GPU or of the machine did not suffice, after which smaller work may go well."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _ALLOCATION_FAILED)


class Halving:
    """Runs work on the items 0 .. n - 1 in parts that the memory holds; what it held once is kept for later work."""

    def __init__(self) -> None:
        self.limit: int | None = None

    def run(self, work: Callable[[slice], Part], n: int) -> list[Part]:
        """The results of `work` on consecutive parts, in order. The error of memory where one item is too much."""
        found: list[Part] = []
        first = 0
        while first < n:
            size = min(n - first, self.limit or n)
            part = self._attempt(work, slice(first, first + size))
            if part is None:
                self._halve(size)
                continue
            found.append(part)
            first += size
        return found

    def _attempt(self, work: Callable[[slice], Part], part: slice) -> Part | None:
        try:
            return work(part)
        except (MemoryError, RuntimeError) as error:
            if part.stop - part.start == 1 or not is_out_of_memory(error):
                raise
        return None  # the error, and with it the tensors in its frames, is gone by now

    def _halve(self, size: int) -> None:
        self.limit = -(-size // 2)
        _log.warning("the memory does not hold %d stays at a time; from now on at most %d", size, self.limit)
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
