"""The gates of a GRU in training by torch's own operations, on any device and in any type."""

from __future__ import annotations

import torch
from torch import Tensor

_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
_tanh_backward = torch.ops.aten.tanh_backward.grad_input


def run_steps(projected: Tensor, recurrent: Tensor, bias: Tensor, states: Tensor, kept: Tensor) -> None:
    """See `gates.Gates`.

    A step computes in buffers that fit a processor's cache, in the type of the weights, and puts its results away in
    that of the operands.
    """
    n_stays, size = states.shape[2:]
    gates, from_x, from_h = (bias.new_empty(2, n_stays, n * size) for n in (4, 3, 3))
    n, v, r, z = gates.chunk(4, dim=-1)
    n_bias, v_bias, rz_bias = bias.split_with_sizes([size, size, 2 * size], -1)
    h, operand = torch.zeros_like(n), states[:, 0].contiguous()
    minus_one = h.new_full((), -1.0)
    for step in range(projected.shape[1]):
        from_x.copy_(projected[:, step])
        from_h.copy_(torch.bmm(operand, recurrent))
        rz = torch.add(from_x[..., size:], from_h[..., : 2 * size], out=gates[..., 2 * size :])
        rz.add_(rz_bias).sigmoid_()
        torch.add(from_h[..., 2 * size :], v_bias, out=v)
        # tanh(a) = 2 sigmoid(2a) - 1, which is four times as fast on a CPU
        doubled = torch.addcmul(from_x[..., :size], v, r).add_(n_bias).mul_(2).sigmoid_()
        torch.add(minus_one, doubled, alpha=2, out=n)
        h = torch.lerp(n, h, z)
        states[:, step + 1] = operand.copy_(h)
        kept[:, step] = gates


def run_steps_back(
    grad: Tensor, states: Tensor, kept: Tensor, w_hh: Tensor, on_inputs: Tensor, on_states: Tensor
) -> None:
    """See `gates.Gates`."""
    _, length, n_stays, size = grad.shape
    gates, found = (grad.new_empty(2, n_stays, 4 * size) for _ in range(2))
    (n, v, r, z), (dn, dr, dz, dv) = gates.chunk(4, dim=-1), found.chunk(4, dim=-1)
    carried, before = (grad.new_zeros(2, n_stays, size) for _ in range(2))
    operand = w_hh.new_empty(2, n_stays, 3 * size)
    for step in reversed(range(length)):
        gates.copy_(kept[:, step])
        dh = carried.add_(grad[:, step])
        _tanh_backward(torch.addcmul(dh, dh, z, value=-1), n, grad_input=dn)
        torch.mul(dn, r, out=dv)
        _sigmoid_backward(dn * v, r, grad_input=dr)
        _sigmoid_backward(before.copy_(states[:, step]).sub_(n).mul_(dh), z, grad_input=dz)
        on_inputs[:, step] = found[..., : 3 * size]
        on_states[:, step] = operand.copy_(found[..., size:])
        carried = torch.bmm(operand, w_hh).to(grad.dtype).addcmul_(dh, z)
