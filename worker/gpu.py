"""How much of its GPU's memory this process uses, for the metrics of the gateway."""

from __future__ import annotations

import torch

from service.contracts.figures import Figures, GpuMemory


def show_gpu(figures: Figures, worker: str) -> None:
    """Tell what the worker of this name uses of the GPU that it works on; nothing where it uses none.

    To ask is to use: a worker that computes on the CPU of a machine with a GPU would take some of its memory.
    """
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        _free, total = torch.cuda.mem_get_info()
        allocated, reserved = torch.cuda.memory_allocated(), torch.cuda.memory_reserved()
        figures.gpu_used(worker, GpuMemory(allocated=allocated, reserved=reserved, total=total))
