"""One bidirectional GRU layer for training: few products, each over all clinical steps, and a backward pass of its own.

The definition is that of `torch.nn.GRU`, whose parameters it takes (Cho et al. 2014, with the reset gate after the
recurrent product):

    r = sigmoid(W_ir x + b_ir + W_hr h + b_hr)
    z = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
    n = tanh(W_in x + b_in + r v),  v = W_hn h + b_hn
    h' = n + z (h - n)

torch's backward pass multiplies weight gradients step by step, and that of cuDNN spends most of a training step in a
kernel for the biases. Here the loop over steps holds one product, and the gradients of weights and biases follow from
one product and one sum over all steps. Both directions run at once: the second sees time reversed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from model.diffusion.gates import gates_for


class GRUWeights(NamedTuple):
    """Both directions of a layer: w_ih (2, 3H, I) and b_ih (2, 3H) in the order n, r, z; w_hh, b_hh in r, z, n."""

    w_ih: Tensor
    w_hh: Tensor
    b_ih: Tensor
    b_hh: Tensor


def bidirectional_gru(gru: nn.GRU, x: Tensor) -> Tensor:
    """(B, L, I) -> (B, L, 2H) by one bidirectional layer, batch first; operands of products in autocast's type.

    torch's own code where no gradient is wanted, and in float32 on a CPU, where it is as fast.
    """
    device = x.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype
    if not torch.is_grad_enabled() or (device == "cpu" and dtype == torch.float32):
        output: Tensor = gru(x)[0]
        return output
    with torch.autocast(device, enabled=False):
        return differentiable_gru(gru, x, dtype)


def differentiable_gru(gru: nn.GRU, x: Tensor, dtype: torch.dtype) -> Tensor:
    """(B, L, I) -> (B, L, 2H) with operands of products in `dtype`, by `BidirectionalGRU`."""
    weights = (weight for direction in gru.all_weights for weight in direction)
    result: Tensor = BidirectionalGRU.apply(x, dtype, *weights)  # type: ignore[no-untyped-call]
    return result


class BidirectionalGRU(torch.autograd.Function):
    """(B, L, I) -> (B, L, 2H). Products have operands of `dtype`; the state is carried in the type of the weights.

    `weights` are those of a bidirectional nn.GRU of one layer with biases: w_ih, w_hh, b_ih, b_hh of either direction.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, dtype: torch.dtype, *weights: Tensor) -> Tensor:  # noqa: ANN401  (torch has no type for it)
        """See the class."""
        w = both_directions(weights)
        steps = x.transpose(0, 1).to(dtype)
        inputs = torch.stack([steps, steps.flip(0)])
        states, gates = run(inputs, w)
        ctx.save_for_backward(inputs, states, gates, w.w_ih.to(dtype), w.w_hh.to(dtype))
        ctx.types = x.dtype, w.w_ih.dtype
        return joined(states[:, 1:], x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        """Gradients of x and of the weights."""
        inputs, states, gates, w_ih, w_hh = ctx.saved_tensors
        x_type, w_type = ctx.types
        on_inputs, on_states = run_back(parted(grad), states, gates, w_hh, w_type)
        rows, on_rows, on_hidden = (value.flatten(1, 2) for value in (inputs, on_inputs, on_states))
        both = torch.bmm(on_rows, w_ih).view_as(inputs)
        grads = GRUWeights(
            w_ih=torch.bmm(on_rows.transpose(1, 2), rows),
            w_hh=torch.stack([g.T @ h[:-1].flatten(0, 1) for g, h in zip(on_hidden, states, strict=True)]),
            b_ih=on_rows.sum(1),
            b_hh=on_hidden.sum(1),
        )
        x_grad = (both[0] + both[1].flip(0)).transpose(0, 1).to(x_type)
        return x_grad, None, *_one_after_the_other(grads, w_type)


def both_directions(weights: tuple[Tensor, ...]) -> GRUWeights:
    """The eight parameters of an nn.GRU side by side."""
    w_ih, w_hh, b_ih, b_hh = (torch.stack([weights[i], weights[4 + i]]) for i in range(4))
    return GRUWeights(w_ih.roll(w_hh.shape[2], 1), w_hh, b_ih.roll(w_hh.shape[2], 1), b_hh)


def _one_after_the_other(both: GRUWeights, dtype: torch.dtype) -> list[Tensor]:
    size = both.w_hh.shape[2]
    parts = (both.w_ih.roll(-size, 1), both.w_hh, both.b_ih.roll(-size, 1), both.b_hh)
    return [part[direction].to(dtype) for direction in range(2) for part in parts]


def joined(states: Tensor, dtype: torch.dtype) -> Tensor:
    """(2, L, B, H), the second reversed in time -> (B, L, 2H)."""
    _, length, n, size = states.shape
    both = states.new_empty(n, length, 2 * size, dtype=dtype)
    both[..., :size] = states[0].transpose(0, 1)
    both[..., size:] = states[1].flip(0).transpose(0, 1)
    return both


def parted(output: Tensor) -> Tensor:
    """The inverse of `joined`."""
    forward, back = output.transpose(0, 1).chunk(2, dim=-1)
    return torch.stack([forward, back.flip(0)])


def run(inputs: Tensor, w: GRUWeights) -> tuple[Tensor, Tensor]:
    """Inputs (2, L, B, I) -> states (2, L + 1, B, H), of which the first is 0, and gates n, v, r, z (2, L, B, 4H)."""
    (_, length, n_stays, _), size = inputs.shape, w.w_hh.shape[2]
    projected = torch.bmm(inputs.flatten(1, 2), w.w_ih.transpose(1, 2).to(inputs)).view(2, length, n_stays, -1)
    recurrent = w.w_hh.transpose(1, 2).to(inputs).contiguous()
    states, kept = inputs.new_zeros(2, length + 1, n_stays, size), inputs.new_empty(2, length, n_stays, 4 * size)
    # of n, v, r, z: r and z have one of the input and one of the state
    n_bias, rz_bias, v_bias = w.b_ih[:, :size], w.b_ih[:, size:] + w.b_hh[:, : 2 * size], w.b_hh[:, 2 * size :]
    bias = torch.cat([n_bias, v_bias, rz_bias], 1)[:, None]
    gates_for(inputs).run_steps(projected, recurrent, bias, states, kept)
    return states, kept


def run_back(grad: Tensor, states: Tensor, kept: Tensor, w_hh: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Gradient of states (2, L, B, H) -> of W_ih x in the order n, r, z, and of W_hh h in r, z, v (2, L, B, 3H)."""
    on_inputs, on_states = (w_hh.new_empty(*kept.shape[:3], w_hh.shape[1]) for _ in range(2))
    gates_for(states).run_steps_back(grad.to(dtype), states, kept, w_hh, on_inputs, on_states)
    return on_inputs, on_states
