"""The gates of a GRU in training on a CPU, in C++ where scripts/build_engine.sh compiled it: native/gates.cpp."""

from __future__ import annotations

import ctypes
import logging
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from model.inference.native import BUILDS, open_library

FOLDER = Path(__file__).parent / "native"

_log = logging.getLogger(__name__)


class NativeGates:
    """A library that was compiled from gates.cpp."""

    def __init__(self, library: ctypes.CDLL) -> None:
        size, pointer = ctypes.c_int64, ctypes.c_void_p
        library.forward_gates.argtypes = [size, size, pointer, size, *[pointer] * 5, size, pointer, size]
        library.backward_gates.argtypes = [
            *(size, size, pointer, size, pointer, pointer, pointer, size),
            *(pointer, size, pointer, pointer, pointer, size),
        ]
        library.forward_gates.restype = library.backward_gates.restype = None
        self._library = library

    def run_steps(self, projected: Tensor, recurrent: Tensor, bias: Tensor, states: Tensor, kept: Tensor) -> None:
        """See `Gates`, with operands in bfloat16."""
        _, length, n_stays, three = projected.shape
        size = three // 3
        state, operand = bias.new_zeros(2, n_stays, size), states.new_zeros(2, n_stays, size)
        from_h = projected.new_empty(2, n_stays, three)
        x, after, gates = _Steps(projected), _Steps(states), _Steps(kept)
        fixed = from_h.data_ptr(), bias.data_ptr(), state.data_ptr(), operand.data_ptr()
        for step in range(length):
            torch.bmm(operand, recurrent, out=from_h)
            self._library.forward_gates(n_stays, size, *x.at(step), *fixed, *after.at(step + 1), *gates.at(step))

    def run_steps_back(
        self, grad: Tensor, states: Tensor, kept: Tensor, w_hh: Tensor, on_inputs: Tensor, on_states: Tensor
    ) -> None:
        """See `Gates`."""
        _, length, n_stays, size = grad.shape
        held, from_next = grad.new_zeros(2, n_stays, size), states.new_zeros(2, n_stays, size)
        operand = states.new_empty(2, n_stays, 3 * size)
        given, before, gates = _Steps(grad), _Steps(states), _Steps(kept)
        on_x, on_h = _Steps(on_inputs), _Steps(on_states)
        for step in reversed(range(length)):
            (of_x, stride), (of_h, _) = on_x.at(step), on_h.at(step)
            self._library.backward_gates(
                n_stays,
                size,
                *given.at(step),
                from_next.data_ptr(),
                held.data_ptr(),
                *gates.at(step),
                *before.at(step),
                operand.data_ptr(),
                of_x,
                of_h,
                stride,
            )
            torch.bmm(operand, w_hh, out=from_next)


@cache
def native_gates() -> NativeGates | None:
    """Those for this processor; None where there are none."""
    for build in BUILDS:
        try:
            return NativeGates(open_library(build, FOLDER))
        except ImportError:
            continue
        except (OSError, AttributeError) as error:
            _log.warning("the gates in '%s.so' are left out: %s", build.name, error)
    return None


class _Steps:
    """Where the steps of a dense tensor (2, L, ...) lie."""

    def __init__(self, tensor: Tensor) -> None:
        assert tensor.is_contiguous(), "the library reads dense tensors"
        self._first = tensor.data_ptr()
        self._bytes = tensor.stride(1) * tensor.element_size()
        self._stride = tensor.stride(0)

    def at(self, step: int) -> tuple[int, int]:
        """Address of a step, and the distance of the directions in numbers."""
        return self._first + step * self._bytes, self._stride
