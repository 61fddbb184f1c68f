"""On what the figures were measured."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from model.spec.base import Spec

PACKAGES = ("cdmt-ehr", "torch", "numpy", "pandas", "scikit-learn", "scipy", "pyarrow")


class Machine(Spec):
    """Processor, cores, GPU and versions."""

    processor: str
    cores: int
    gpu: str | None
    python: str
    system: str
    packages: dict[str, str]


def this_machine() -> Machine:
    """The one that this runs on."""
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)),
        gpu=torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        python=platform.python_version(),
        system=f"{platform.system()} {platform.release()}",
        packages={name: _version(name) for name in PACKAGES},
    )


def _processor() -> str:
    """The name that Linux knows; platform.processor() has none there."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
