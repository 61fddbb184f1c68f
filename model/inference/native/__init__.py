"""The fused network in C++, and the libraries that scripts/build_engine.sh made of it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

FOLDER = Path(__file__).parent
NEEDS_MEMORY, NEEDS_TILES = 1, 2
"""What `evaluate` returns where it did not."""

_AVX512 = frozenset({"fma", "avx512f", "avx512bw", "avx512dq", "avx512vl"})


class Network(ctypes.Structure):
    """`Network` of fused.cpp; its tensors must outlive it."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("hidden", "layers", "state", "labels", "outputs")),
        *((name, ctypes.c_void_p) for name in ("inputs", "label_inputs", "step_products", "state_products")),
        *((name, ctypes.c_void_p) for name in ("gate_bias", "output", "output_bias")),
    )


class Build(NamedTuple):
    """A library, the processor's features that it must have, and how it wants the weights (n, k) of a product."""

    name: str
    features: frozenset[str]
    pack: Callable[[Tensor], Tensor]


def pack_rows(weights: Tensor, *, rows: int) -> Tensor:
    """(n, k) -> flat (n / rows, k, rows), with zeros below."""
    padded = functional.pad(weights, (0, 0, 0, -len(weights) % rows))
    return padded.reshape(-1, rows, weights.shape[1]).transpose(1, 2).flatten()


def pack_tiles(weights: Tensor) -> Tensor:
    """(n, k) -> flat (n / 16, k / 32, 2, 16, 32) bfloat16, seen as float32: high and low halves, with zeros around.

    Both sizes are padded to multiples of 32.
    """
    n, k = weights.shape
    padded = functional.pad(weights, (0, -k % 32, 0, -n % 32))
    high = padded.bfloat16()
    halves = torch.stack([high, (padded - high.float()).bfloat16()])
    tiles = halves.reshape(2, len(padded) // 16, 16, padded.shape[1] // 32, 32)
    return tiles.permute(1, 3, 0, 2, 4).flatten().view(torch.float32)


def _pack_8(weights: Tensor) -> Tensor:
    return pack_rows(weights, rows=8)


def _pack_4(weights: Tensor) -> Tensor:
    return pack_rows(weights, rows=4)


BUILDS = (
    Build("amx", _AVX512 | {"amx_tile", "amx_bf16"}, pack_tiles),
    Build("avx512", _AVX512, _pack_8),
    Build("avx2", frozenset({"avx2", "fma"}), _pack_4),
    Build("generic", frozenset(), _pack_4),
)
"""The fastest first."""


def load(build: Build, folder: Path = FOLDER) -> ctypes.CDLL:
    """The library of fused.cpp; ImportError as in `open_library`."""
    library = open_library(build, folder)
    library.block_size.restype = ctypes.c_int64
    library.evaluate.argtypes = [ctypes.POINTER(Network), *[ctypes.c_void_p] * 5, *[ctypes.c_int64] * 5]
    return library


def open_library(build: Build, folder: Path) -> ctypes.CDLL:
    """The library in a folder; ImportError where it was not built, or the processor has not what it takes."""
    path = folder / f"{build.name}.so"
    if not path.exists():
        raise ImportError(f"{path.name} was not built")
    if missing := build.features - processor_features():
        raise ImportError(f"the processor has no {', '.join(sorted(missing))}")
    return ctypes.CDLL(str(path))


def processor_features() -> frozenset[str]:
    """What Linux says that the processor can do; nothing on other systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line.split(":", 1)[1] for line in lines if line.startswith("flags")), "").split())
