"""Random numbers that nobody can know or repeat: from the operating system's cryptographic generator.

A seed would let whoever knows it subtract the noise, so there is none: nothing of this is stored.
"""

from __future__ import annotations

import os
import secrets

import numpy as np
import numpy.typing as npt
import torch

Doubles = npt.NDArray[np.float64]


def uniform(n: int) -> Doubles:
    """(n,) numbers, evenly spread over [0, 1), in steps of 2^-53."""
    bits = np.frombuffer(os.urandom(8 * n), dtype=np.uint64)
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def normal(n: int) -> Doubles:
    """(n,) standard normal numbers (Box & Muller 1958)."""
    half = (n + 1) // 2
    radius, angle = np.sqrt(-2 * np.log1p(-uniform(half))), 2 * np.pi * uniform(half)
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:n]


def sample(n: int, rate: float) -> npt.NDArray[np.int64]:
    """Indices below n, each taken with probability `rate`, independently (Poisson sampling)."""
    return np.flatnonzero(uniform(n) < rate)


def generator(device: torch.device) -> torch.Generator:
    """For what need not be secret but must be fresh: diffusion times and noise, dropped labels."""
    return torch.Generator(device).manual_seed(secrets.randbits(63))
