"""The networks of TimeDiff: a bidirectional GRU, and the Transformer of its ablation."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.diffusion.denoiser import TIME_DIM, FiLMGRULayer, TimeEmbedding

Backbone = Literal["gru", "transformer"]
N_HEADS = 4


class FiLMAttentionLayer(nn.Module):
    """A Transformer encoder layer, norm first, with self-attention on `(1 + gamma(t)) LayerNorm(h) + beta(t)`."""

    def __init__(self, hidden_dim: int) -> None:
        super().__init__()
        width = 2 * hidden_dim
        self.norm, self.norm_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.film = nn.Linear(TIME_DIM, 2 * width)
        self.attention = nn.MultiheadAttention(width, N_HEADS, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        nn.init.zeros_(self.film.weight)
        nn.init.zeros_(self.film.bias)

    def forward(self, h: Tensor, time: Tensor) -> Tensor:
        """H (B, L, 2H), time (B, 256) -> (B, L, 2H)."""
        gamma, beta = self.film(functional.silu(time))[:, None, :].chunk(2, dim=-1)
        x = (1 + gamma) * self.norm(h) + beta
        h = h + self.attention(x, x, x, need_weights=False)[0]
        output: Tensor = h + self.mlp(self.norm_mlp(h))
        return output


LAYERS = {"gru": FiLMGRULayer, "transformer": FiLMAttentionLayer}


class BackboneNetwork(nn.Module):
    """(B, L, n_inputs) at diffusion time t in [0, 1] -> (B, L, n_outputs), in a width of 2 hidden_dim.

    The Transformer is told the clinical step by sinusoids.
    """

    def __init__(
        self, backbone: Backbone, *, n_inputs: int, n_outputs: int, hidden_dim: int, n_layers: int, length: int
    ) -> None:
        super().__init__()
        width = 2 * hidden_dim
        self.time = TimeEmbedding()
        self.inputs = nn.Linear(n_inputs, width)
        self.time_inputs = nn.Linear(TIME_DIM, width)
        position = positions(length, width) if backbone == "transformer" else torch.zeros(1, width)
        self.register_buffer("position", position, persistent=False)
        self.layers = nn.ModuleList(LAYERS[backbone](hidden_dim) for _ in range(n_layers))
        self.norm = nn.LayerNorm(width)
        self.outputs = nn.Linear(width, n_outputs)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """X (B, L, n_inputs), t (B,) -> (B, L, n_outputs)."""
        time = self.time(t)
        h = self.inputs(x) + self.time_inputs(time)[:, None, :] + self.position
        for layer in self.layers:
            h = layer(h, time)
        output: Tensor = self.outputs(self.norm(h))
        return output


def positions(length: int, width: int) -> Tensor:
    """(L, width) sinusoids of the clinical step (Vaswani et al. 2017, section 3.5); width is even."""
    frequencies = torch.exp(-math.log(10_000.0) * torch.arange(0, width, 2) / width)
    angles = torch.arange(length)[:, None] * frequencies[None, :]
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
