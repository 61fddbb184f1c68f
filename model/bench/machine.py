"""The machine that was measured, as far as it decides about speed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, get_args

import torch

from model.reproduction.machine import Machine, this_machine

Kind = Literal["cpu", "cpu-amx", "cuda"]
KINDS: tuple[Kind, ...] = get_args(Kind)
INSTRUCTION_SETS = (
    "avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_bf16", "amx_int8", "amx_fp16",
    "asimd", "sve", "bf16", "i8mm",
)  # fmt: skip
CPU_INFO = Path("/proc/cpuinfo")


class BenchMachine(Machine):
    """Processor, GPU and versions, and what else speed depends on.

    `kind` is what expectations are told apart by. `load_average`: of the last minute, before and after.
    """

    kind: Kind
    device: str
    threads: int
    instruction_sets: tuple[str, ...]
    load_average: tuple[float, float]


def measured_machine(device: torch.device, *, load_before: float) -> BenchMachine:
    """This machine after a benchmark on `device`, before which the load was `load_before`."""
    known = instruction_sets(CPU_INFO.read_text() if CPU_INFO.exists() else "")
    return BenchMachine(
        **this_machine().model_dump(),
        kind=kind_of(device.type, known),
        device=device.type,
        threads=torch.get_num_threads(),
        instruction_sets=known,
        load_average=(load_before, load_now()),
    )


def instruction_sets(cpu_info: str) -> tuple[str, ...]:
    """Those of interest that the text of /proc/cpuinfo names for its first processor."""
    lines = (line.partition(":") for line in cpu_info.splitlines())
    flags = next((set(words.split()) for name, _, words in lines if name.strip() in ("flags", "Features")), set())
    return tuple(name for name in INSTRUCTION_SETS if name in flags)


def kind_of(device: str, known: tuple[str, ...]) -> Kind:
    """What kind of machine this is for expectations."""
    if device == "cuda":
        return "cuda"
    return "cpu-amx" if "amx_bf16" in known else "cpu"


def load_now() -> float:
    """Processes that ran or waited to run, on average over the last minute."""
    return round(os.getloadavg()[0], 2)
