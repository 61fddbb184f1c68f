"""What computes the gates of a GRU in training, and their gradients, between its products."""

from __future__ import annotations

import logging
from functools import cache
from typing import Protocol

import torch
from torch import Tensor

from model.diffusion import gates_torch
from model.diffusion.gates_native import native_gates

MAX_ERROR = 1e-4

_log = logging.getLogger(__name__)


class Gates(Protocol):
    """All clinical steps of both directions, products included.

    Operands have one type, `bias` and `grad` that of the state.
    """

    def run_steps(self, projected: Tensor, recurrent: Tensor, bias: Tensor, states: Tensor, kept: Tensor) -> None:
        """Forward: fills states (2, L + 1, B, H) from the second on, and the gates n, v, r, z in kept (2, L, B, 4H).

        projected (2, L, B, 3H) is W_ih x of n, r, z; recurrent (2, H, 3H) W_hh of r, z, v; bias (2, 1, 4H) that of n,
        v, r, z.
        """

    def run_steps_back(
        self, grad: Tensor, states: Tensor, kept: Tensor, w_hh: Tensor, on_inputs: Tensor, on_states: Tensor
    ) -> None:
        """Back: from grad (2, L, B, H) of the states, and w_hh (2, 3H, H) of r, z, v.

        Fills the gradients of W_ih x, of n, r, z, and of W_hh h, of r, z, v: both (2, L, B, 3H).
        """


def gates_for(operand: Tensor) -> Gates:
    """The fastest for operands of this type on this device that there are here."""
    if operand.device.type == "cuda":
        return triton_gates() or gates_torch
    return (native_gates() if operand.dtype == torch.bfloat16 else None) or gates_torch


@cache
def triton_gates() -> Gates | None:
    """Those of Triton, if it is here and they compute what those of torch compute on the GPU."""
    try:
        from model.diffusion import gates_triton

        error = largest_error(gates_triton, torch.device("cuda"))
    except ImportError as missing:
        _log.info("the gates of a training are torch's: %s", missing)
    except Exception as fault:  # noqa: BLE001 - whatever goes wrong in it, torch computes the same
        _log.warning("Triton's gates are left out: %s: %s", type(fault).__name__, fault)
    else:
        if error <= MAX_ERROR:
            return gates_triton
        _log.warning("Triton's gates are left out: their error is %.1e", error)
    return None


def largest_error(gates: Gates, device: torch.device) -> float:
    """Against torch's, of all that they fill, in a small example in float32."""
    mine, truth = _example(gates, device), _example(gates_torch, device)
    return max(float((found - expected).abs().max()) for found, expected in zip(mine, truth, strict=True))


def _example(gates: Gates, device: torch.device, length: int = 3, n_stays: int = 70, size: int = 20) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = ((2, length, n_stays, 3 * size), (2, size, 3 * size), (2, 1, 4 * size), (2, length, n_stays, size))
    projected, recurrent, bias, grad = (torch.randn(shape, generator=generator).to(device) for shape in shapes)
    recurrent /= size**0.5
    states, kept = grad.new_zeros(2, length + 1, n_stays, size), grad.new_zeros(2, length, n_stays, 4 * size)
    gates.run_steps(projected, recurrent, bias, states, kept)
    found = [torch.zeros_like(projected) for _ in range(2)]
    gates.run_steps_back(grad, states, kept, recurrent.transpose(1, 2).contiguous(), *found)
    return [states, kept, *found]
