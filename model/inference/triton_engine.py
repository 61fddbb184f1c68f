"""Engines of Triton kernels: one for the inputs, one for each layer, one for the outputs."""

from __future__ import annotations

from typing import NamedTuple

import torch
import triton
from torch import Tensor, nn
from torch.nn import functional

from model.diffusion.denoiser import DenoiserNetwork, FiLMGRULayer
from model.inference.triton_kernels import bidirectional_layer, enter, leave

SMALLEST_TILE = 16
"""Of the operands of a product in Triton."""
ROWS, STATE_TILE, OUTPUT_TILE = 64, 64, 64
MAX_RESIDENT = 64
"""Units per direction whose weights a multiprocessor keeps while it walks through time."""


class Tiles(NamedTuple):
    """How a layer's kernel is laid out: rows per program, warps, stages, whether weights stay on the chip."""

    rows: int
    warps: int
    stages: int
    resident: bool


def tiles_of(unit: int, *, split: bool) -> Tiles:
    """For layers of `unit` padded units. Only the first was timed (the fastest of five, on an H100)."""
    if unit > MAX_RESIDENT:
        return Tiles(32, 8, 1, resident=False)
    return Tiles(ROWS, 4, 1 if split else 2, resident=True)


def padded_size(n: int) -> int:
    """The power of two that a kernel computes with in place of n."""
    return max(SMALLEST_TILE, 1 << (n - 1).bit_length())


class LayerWeights(NamedTuple):
    """As `bidirectional_layer` wants them."""

    w_x: Tensor
    w_h: Tensor
    biases: Tensor


def both_halves(weight: Tensor, hidden: int, padded: int, dim: int) -> Tensor:
    """`weight` with zeros after each half of dimension `dim`, which has 2 hidden entries: 2 padded then."""
    halves = (_padded(weight.narrow(dim, first, hidden), padded, dim) for first in (0, hidden))
    return torch.cat(list(halves), dim)


def _padded(weight: Tensor, size: int, dim: int) -> Tensor:
    shape = list(weight.shape)
    shape[dim] = size - shape[dim]
    return torch.cat([weight, weight.new_zeros(shape)], dim)


def high_and_low(weight: Tensor) -> Tensor:
    """Float32 weights as the sum of two float16 numbers, of which the first comes nearest: (2, ...)."""
    high = weight.half()
    return torch.stack([high, (weight - high.float()).half()])


def layer_weights(gru: nn.GRU, padded: int) -> LayerWeights:
    """The weights of a bidirectional GRU layer, padded, transposed and cast."""
    directions = []
    for w_ih, w_hh, b_ih, b_hh in gru.all_weights:
        w_x = both_halves(_by_gate(w_ih, padded), gru.hidden_size, padded, 2)  # (3, P, 2P)
        w_h = _padded(_by_gate(w_hh, padded), padded, 2)
        b_x, b_h = _by_gate(b_ih, padded), _by_gate(b_hh, padded)
        biases = torch.stack([b_x[0] + b_h[0], b_x[1] + b_h[1], b_x[2], b_h[2]])
        w_x, w_h = w_x.transpose(1, 2), w_h.transpose(1, 2)
        directions.append((high_and_low(w_x).transpose(0, 1), w_h.half(), biases))
    return LayerWeights(*(torch.stack(kind).contiguous() for kind in zip(*directions, strict=True)))


def _by_gate(weight: Tensor, padded: int) -> Tensor:
    """(3H, ...) -> (3, P, ...): r, z, n."""
    return _padded(torch.stack(weight.detach().chunk(3)), padded, 1)


class TritonEngine:
    """See `Engine`. Operands of products, and what lies between two kernels, are float16; all else is float32.

    With `split`, operands are sums of two float16 numbers and what lies between two kernels is float32: the rounding
    of trained weights to float16 alone can be an error of 2e-3 at times when there is little signal in F.
    """

    def __init__(self, network: DenoiserNetwork, *, split: bool) -> None:
        self.name = "triton-fp16x2" if split else "triton-fp16"
        self._split = split
        layers = network.gru_layers
        self._network = network
        self._hidden = layers[0].gru.hidden_size
        self._unit = padded_size(self._hidden)
        self._layers = [layer_weights(layer.gru, self._unit) for layer in layers]
        self._prepare_rows(network, layers)
        w_inputs = self._wide(network.inputs.weight)
        self._w_state = high_and_low(w_inputs[:, : network.n_state].T.contiguous())
        self._w_labels = w_inputs[:, network.n_state :].contiguous()
        w_outputs, b_outputs = network.read_out()
        self._w_outputs = high_and_low(self._wide(w_outputs.T).contiguous())
        self._b_outputs = b_outputs.detach()

    def _wide(self, weight: Tensor) -> Tensor:
        """(2H, ...) -> (2P, ...)."""
        return both_halves(weight.detach(), self._hidden, self._unit, 0)

    def _prepare_rows(self, network: DenoiserNetwork, layers: list[FiLMGRULayer]) -> None:
        """What depends on time alone: the FiLM of all layers in one product, and what is added to the inputs."""
        films = [(layer.film.weight.chunk(2), layer.film.bias.chunk(2)) for layer in layers]
        self._w_film = torch.cat([self._wide(part) for weight, _ in films for part in weight])
        self._b_film = torch.cat([self._wide(part) for _, bias in films for part in bias])
        self._norm_weights = torch.stack([self._wide(layer.norm.weight) for layer in layers])
        self._norm_biases = torch.stack([self._wide(layer.norm.bias) for layer in layers])
        self._w_time = self._wide(network.time_inputs.weight)
        self._b_time = self._wide(network.time_inputs.bias) + self._wide(network.inputs.bias)

    def __call__(self, scaled: Tensor, t: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """See `Engine`."""
        time = self._network.time(t[None])[0]
        gamma, beta = self._film(time)
        h = self._enter(scaled, labels, functional.linear(time, self._w_time, self._b_time))
        for weights, scale, shift in zip(self._layers, gamma, beta, strict=True):
            h = self._layer(h, weights, scale, shift)
        output = self._leave(h).view(*labels.shape[:2], scaled.shape[1], -1)
        n_numerical, n_channels = self._network.n_numerical, self._network.n_channels
        logits = output[..., n_numerical:]
        return output[..., :n_numerical], logits.view(*logits.shape[:-1], n_channels, -1)

    def _film(self, time: Tensor) -> tuple[Tensor, Tensor]:
        """Scales and shifts (n_layers, 2P) of what LayerNorm makes: `(1 + gamma) (w x + b) + beta`."""
        film = functional.linear(functional.silu(time), self._w_film, self._b_film)
        gamma, beta = film.view(len(self._layers), 2, -1).unbind(1)
        return (1 + gamma) * self._norm_weights, (1 + gamma) * self._norm_biases + beta

    def _enter(self, scaled: Tensor, labels: Tensor, row: Tensor) -> Tensor:
        """State (B, L, D) under R label vectors -> (L, R B, 2P)."""
        (n_stays, length, n_state), n_branches, width = scaled.shape, len(labels), 2 * self._unit
        rows = functional.linear(labels, self._w_labels, row).contiguous()
        dtype = torch.float32 if self._split else torch.float16
        out = torch.empty(length, n_branches * n_stays, width, dtype=dtype, device=scaled.device)
        enter[(triton.cdiv(n_stays, ROWS), length)](
            scaled.contiguous(),
            self._w_state,
            rows,
            out,
            n_stays,
            length,
            n_state,
            n_branches,
            M=ROWS,
            K=STATE_TILE,
            W=width,
            SPLIT=self._split,
            num_warps=4,
        )
        return out

    def _layer(self, h: Tensor, weights: LayerWeights, scale: Tensor, shift: Tensor) -> Tensor:
        length, n_rows, _ = h.shape
        tiles, out = tiles_of(self._unit, split=self._split), torch.empty_like(h)
        bidirectional_layer[(triton.cdiv(n_rows, tiles.rows), 2)](
            h,
            out,
            *weights,
            scale,
            shift,
            n_rows,
            length,
            self._hidden,
            M=tiles.rows,
            P=self._unit,
            SPLIT=self._split,
            STAY=tiles.resident,
            num_warps=tiles.warps,
            num_stages=tiles.stages,
        )
        return out

    def _leave(self, h: Tensor) -> Tensor:
        """(L, N, 2P) -> (N, L, outputs)."""
        (length, n_rows, _), n_out = h.shape, len(self._b_outputs)
        out = torch.empty(n_rows, length, n_out, device=h.device)
        leave[(triton.cdiv(n_rows, ROWS), length)](
            h,
            self._w_outputs,
            self._b_outputs,
            out,
            n_rows,
            length,
            self._hidden,
            n_out,
            M=ROWS,
            P=self._unit,
            O=min(OUTPUT_TILE, padded_size(n_out)),
            SPLIT=self._split,
            num_warps=4,
        )
        return out
