"""A bidirectional GRU layer whose weights have a gradient for every stay of a batch, under `torch.func.vmap`.

vmap would run torch's own GRU step by step with a weight gradient per stay at every step. Here, as in `recurrence`, the
loop holds one product, and the gradients of one stay are one product over all its steps.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from model.diffusion.recurrence import both_directions, joined, parted, run, run_back


def per_stay_gru(gru: nn.GRU, x: Tensor) -> Tensor:
    """(1, L, I) -> (1, L, 2H) of one stay; only for `vmap(grad(...))` over stays, with the same weights for all."""
    weights = (weight for direction in gru.all_weights for weight in direction)
    output: Tensor = _Forward.apply(x, *weights)[0]  # type: ignore[no-untyped-call]
    return output


class _Forward(torch.autograd.Function):
    """X (1, L, I) and eight weights -> the output, states (1, 2, L + 1, H) and gates (1, 2, L, 4H)."""

    @staticmethod
    def forward(x: Tensor, *weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        states, gates = run(_both_ways(x), both_directions(weights))
        return joined(states[:, 1:], x.dtype), states.movedim(2, 0), gates.movedim(2, 0)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:  # noqa: ANN401
        x, *weights = inputs
        _, states, gates = output
        ctx.mark_non_differentiable(states, gates)
        ctx.save_for_backward(x, states, gates, *weights)

    @staticmethod
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor, ...]:  # noqa: ANN401
        grads: tuple[Tensor, ...] = _Backward.apply(grad, *ctx.saved_tensors)  # type: ignore[no-untyped-call]
        return grads

    @staticmethod
    def vmap(_info: object, in_dims: tuple[int | None, ...], x: Tensor, *weights: Tensor) -> Any:  # noqa: ANN401
        assert in_dims == (0, *[None] * len(weights)), "stays share their weights"
        results = _Forward.apply(x[:, 0], *weights)  # type: ignore[no-untyped-call]
        return tuple(result[:, None] for result in results), (0, 0, 0)


class _Backward(torch.autograd.Function):
    """Gradients of x and of the weights, of one stay."""

    @staticmethod
    def forward(*_: Tensor) -> Tensor:
        raise NotImplementedError("a gradient per stay is wanted: use vmap")

    @staticmethod
    def setup_context(_ctx: object, _inputs: object, _output: object) -> None:
        """There is no second derivative."""

    @staticmethod
    def vmap(_info: object, in_dims: tuple[int | None, ...], *tensors: Tensor) -> Any:  # noqa: ANN401
        assert in_dims == (0, 0, 0, 0, *[None] * 8)
        grad, x, states, gates = (tensor[:, 0] for tensor in tensors[:4])
        w = both_directions(tensors[4:])
        inputs, before = _both_ways(x), states.movedim(0, 2).contiguous()
        on_inputs, on_states = run_back(parted(grad), before, gates.movedim(0, 2).contiguous(), w.w_hh, w.w_hh.dtype)
        both = torch.bmm(on_inputs.flatten(1, 2), w.w_ih).view_as(inputs)
        x_grad = (both[0] + both[1].flip(0)).transpose(0, 1)
        # (B, 2, 3H, L), the gates of x in the order of an nn.GRU: before the product, there is less to move
        from_x, from_h = on_inputs.roll(-w.w_hh.shape[2], 3).permute(2, 0, 3, 1), on_states.permute(2, 0, 3, 1)
        w_ih, w_hh = from_x @ inputs.permute(2, 0, 1, 3), from_h @ before[:, :-1].permute(2, 0, 1, 3)
        parts = (w_ih, w_hh, from_x.sum(3), from_h.sum(3))
        return (x_grad[:, None], *(part[:, direction] for direction in range(2) for part in parts)), (0,) * 9


def _both_ways(x: Tensor) -> Tensor:
    """(B, L, I) -> (2, L, B, I), the second reversed in time."""
    steps = x.transpose(0, 1)
    return torch.stack([steps, steps.flip(0)])
