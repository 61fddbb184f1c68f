"""What this process computes on, and the memory that it has: for the metrics and the console of the gateway."""

from __future__ import annotations

import resource
from pathlib import Path

import torch

from service.contracts.figures import Figures, GpuMemory, Vitals


def show_vitals(figures: Figures, worker: str) -> None:
    """Tell how the worker of this name, which is this process, is."""
    gpu = _gpu()
    device = "CPU" if gpu is None else torch.cuda.get_device_name()
    figures.vitals_of(worker, Vitals(device=device, resident=_resident(), gpu=gpu))


def _resident() -> int:
    """Bytes of memory that the process has now (Linux, proc(5): the second field of statm, in pages)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _gpu() -> GpuMemory | None:
    """What the process uses of a GPU; None where it uses none.

    To ask is to use: a worker that computes on the CPU of a machine with a GPU would take some of its memory.
    """
    if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return None
    _free, total = torch.cuda.mem_get_info()
    return GpuMemory(allocated=torch.cuda.memory_allocated(), reserved=torch.cuda.memory_reserved(), total=total)
