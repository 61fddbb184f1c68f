"""The gates of a GRU in training on a GPU: one kernel per clinical step forward and one back, after native/gates.cpp.

With torch they are two dozen kernels a step, each of which reads and writes what the one before left.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 1024
"""Units that a program handles, of all stays of one direction side by side."""


@triton.jit
def _forward_gates(
    from_x,
    x_stride,
    from_h,
    bias,
    state,
    operand,
    states,
    states_stride,
    kept,
    kept_stride,
    n_stays,
    n_hidden,
    SIZE: tl.constexpr,
):
    """See `forward_gates` of native/gates.cpp; the stride is the distance of the two directions."""
    at = tl.program_id(0) * SIZE + tl.arange(0, SIZE)
    direction = tl.program_id(1).to(tl.int64)
    inside = at < n_stays * n_hidden
    stay, unit = at // n_hidden, at % n_hidden
    row = direction * n_stays + stay
    x = from_x + direction * x_stride + stay * 3 * n_hidden + unit
    y = from_h + row * 3 * n_hidden + unit
    b = bias + direction * 4 * n_hidden + unit
    k = kept + direction * kept_stride + stay * 4 * n_hidden + unit
    x_n, x_r = tl.load(x, inside, 0.0).to(tl.float32), tl.load(x + n_hidden, inside, 0.0).to(tl.float32)
    x_z, y_r = tl.load(x + 2 * n_hidden, inside, 0.0).to(tl.float32), tl.load(y, inside, 0.0).to(tl.float32)
    y_z, y_v = tl.load(y + n_hidden, inside, 0.0).to(tl.float32), tl.load(y + 2 * n_hidden, inside, 0.0).to(tl.float32)
    r = tl.sigmoid(x_r + y_r + tl.load(b + 2 * n_hidden, inside, 0.0))
    z = tl.sigmoid(x_z + y_z + tl.load(b + 3 * n_hidden, inside, 0.0))
    v = y_v + tl.load(b + n_hidden, inside, 0.0)
    n = 2 * tl.sigmoid(2 * (x_n + tl.load(b, inside, 0.0) + r * v)) - 1
    own = row * n_hidden + unit
    h = tl.load(state + own, inside, 0.0)
    h = n + z * (h - n)
    kind = operand.dtype.element_ty
    tl.store(state + own, h, inside)
    tl.store(operand + own, h.to(kind), inside)
    tl.store(states + direction * states_stride + stay * n_hidden + unit, h.to(kind), inside)
    tl.store(k, n.to(kind), inside)
    tl.store(k + n_hidden, v.to(kind), inside)
    tl.store(k + 2 * n_hidden, r.to(kind), inside)
    tl.store(k + 3 * n_hidden, z.to(kind), inside)


@triton.jit
def _backward_gates(
    grad,
    grad_stride,
    from_next,
    held,
    kept,
    kept_stride,
    before,
    before_stride,
    operand,
    on_x,
    on_h,
    on_stride,
    n_stays,
    n_hidden,
    SIZE: tl.constexpr,
):
    """See `backward_gates` of native/gates.cpp."""
    at = tl.program_id(0) * SIZE + tl.arange(0, SIZE)
    direction = tl.program_id(1).to(tl.int64)
    inside = at < n_stays * n_hidden
    stay, unit = at // n_hidden, at % n_hidden
    row = direction * n_stays + stay
    own, rest = row * n_hidden + unit, stay * n_hidden + unit
    k = kept + direction * kept_stride + stay * 4 * n_hidden + unit
    n, v = tl.load(k, inside, 0.0).to(tl.float32), tl.load(k + n_hidden, inside, 0.0).to(tl.float32)
    r, z = tl.load(k + 2 * n_hidden, inside, 0.0).to(tl.float32), tl.load(k + 3 * n_hidden, inside, 0.0).to(tl.float32)
    given = tl.load(grad + direction * grad_stride + rest, inside, 0.0)
    dh = given + tl.load(from_next + own, inside, 0.0).to(tl.float32) + tl.load(held + own, inside, 0.0)
    state = tl.load(before + direction * before_stride + rest, inside, 0.0).to(tl.float32)
    dn = dh * (1 - z) * (1 - n * n)
    dz = dh * (state - n) * z * (1 - z)
    dr = dn * v * r * (1 - r)
    kind = operand.dtype.element_ty
    of_x = on_x + direction * on_stride + stay * 3 * n_hidden + unit
    of_h = on_h + direction * on_stride + stay * 3 * n_hidden + unit
    o = operand + row * 3 * n_hidden + unit
    tl.store(held + own, dh * z, inside)
    tl.store(of_x, dn.to(kind), inside)
    tl.store(of_x + n_hidden, dr.to(kind), inside)
    tl.store(of_x + 2 * n_hidden, dz.to(kind), inside)
    tl.store(of_h, dr.to(kind), inside)
    tl.store(of_h + n_hidden, dz.to(kind), inside)
    tl.store(of_h + 2 * n_hidden, (dn * r).to(kind), inside)
    tl.store(o, dr.to(kind), inside)
    tl.store(o + n_hidden, dz.to(kind), inside)
    tl.store(o + 2 * n_hidden, (dn * r).to(kind), inside)


def run_steps(projected: Tensor, recurrent: Tensor, bias: Tensor, states: Tensor, kept: Tensor) -> None:
    """See `gates.run_steps`; operands of any floating type."""
    n_stays, size = states.shape[2:]
    state, operand = bias.new_zeros(2, n_stays, size), states.new_zeros(2, n_stays, size)
    grid, strides = _grid(n_stays, size), (projected.stride(0), states.stride(0), kept.stride(0))
    for step in range(projected.shape[1]):
        _forward_gates[grid](
            projected[:, step],
            strides[0],
            torch.bmm(operand, recurrent),
            bias,
            state,
            operand,
            states[:, step + 1],
            strides[1],
            kept[:, step],
            strides[2],
            n_stays,
            size,
            SIZE=BLOCK,
        )


def run_steps_back(
    grad: Tensor, states: Tensor, kept: Tensor, w_hh: Tensor, on_inputs: Tensor, on_states: Tensor
) -> None:
    """See `gates.run_steps_back`."""
    _, length, n_stays, size = grad.shape
    held, from_next = grad.new_zeros(2, n_stays, size), states.new_zeros(2, n_stays, size)
    operand, grid = states.new_empty(2, n_stays, 3 * size), _grid(n_stays, size)
    for step in reversed(range(length)):
        _backward_gates[grid](
            grad[:, step],
            grad.stride(0),
            from_next,
            held,
            kept[:, step],
            kept.stride(0),
            states[:, step],
            states.stride(0),
            operand,
            on_inputs[:, step],
            on_states[:, step],
            on_inputs.stride(0),
            n_stays,
            size,
            SIZE=BLOCK,
        )
        from_next = torch.bmm(operand, w_hh)


def _grid(n_stays: int, size: int) -> tuple[int, int]:
    return triton.cdiv(n_stays * size, BLOCK), 2
