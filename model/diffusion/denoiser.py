"""The denoiser: a bidirectional GRU over clinical time, conditioned on diffusion time and labels."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.diffusion.embedding import CategoryEmbedding
from model.diffusion.precision import MixedPrecision
from model.diffusion.precond import c_in, c_out, c_skip
from model.diffusion.recurrence import bidirectional_gru
from model.diffusion.schedule import RHO_RANGE, PowerMeanSchedule
from model.spec.config import NetworkConfig

SIGMA_MIN = 0.002
SIGMA_MAX_NUMERICAL, SIGMA_MAX_EMBEDDING = 80.0, 100.0
RHO_NUMERICAL, RHO_EMBEDDING = 7.0, 5.0
TIME_FREQUENCIES, TIME_DIM = 64, 256


@dataclass(frozen=True)
class Dimensions:
    """What the data ask of a network: steps, numerical features, categories per channel, categories per label.

    There is always a channel: every numerical feature brings its missingness mark.
    """

    sequence_length: int
    n_numerical: int
    channel_sizes: tuple[int, ...]
    label_sizes: tuple[int, ...]


class TimeEmbedding(nn.Module):
    """Diffusion time t -> 256 numbers: sinusoids of 1000 t, then a small MLP."""

    def __init__(self) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(TIME_FREQUENCIES, TIME_DIM), nn.GELU(), nn.Linear(TIME_DIM, TIME_DIM))

    def forward(self, t: Tensor) -> Tensor:
        """(B,) -> (B, 256)."""
        half = TIME_FREQUENCIES // 2
        frequencies = torch.exp(-math.log(10_000.0) * torch.arange(half, device=t.device) / half)
        angles = 1000.0 * t[:, None] * frequencies[None, :]
        embedded: Tensor = self.mlp(torch.cat([angles.sin(), angles.cos()], dim=-1))
        return embedded


class FiLMGRULayer(nn.Module):
    """`h + BiGRU((1 + gamma(t)) LayerNorm(h) + beta(t))`, with (gamma, beta) linear in SiLU of the time embedding."""

    def __init__(self, hidden_dim: int) -> None:
        super().__init__()
        width = 2 * hidden_dim
        self.norm = nn.LayerNorm(width)
        self.film = nn.Linear(TIME_DIM, 2 * width)
        self.gru = nn.GRU(width, hidden_dim, batch_first=True, bidirectional=True)
        self.recurrence: Callable[[nn.GRU, Tensor], Tensor] = bidirectional_gru
        nn.init.zeros_(self.film.weight)
        nn.init.zeros_(self.film.bias)

    def forward(self, h: Tensor, time: Tensor) -> Tensor:
        """H (B, L, 2H), time (B, 256) -> (B, L, 2H)."""
        film = self.film(functional.silu(time)).to(self.norm.weight.dtype)
        gamma, beta = film[:, None, :].chunk(2, dim=-1)
        scale, shift = (1 + gamma) * self.norm.weight, (1 + gamma) * self.norm.bias + beta
        normalised = functional.layer_norm(h, self.norm.normalized_shape, eps=self.norm.eps)
        return h + self.recurrence(self.gru, torch.addcmul(shift, normalised, scale))


class DenoiserNetwork(nn.Module):
    """F of the preconditioned denoiser, and the logits of every categorical channel."""

    def __init__(self, dimensions: Dimensions, config: NetworkConfig, *, n_categories: int) -> None:
        super().__init__()
        self.n_numerical, self.n_channels = dimensions.n_numerical, len(dimensions.channel_sizes)
        width = 2 * config.hidden_dim
        self.n_state = self.n_numerical + self.n_channels * config.embedding_dim
        self.time = TimeEmbedding()
        self.inputs = nn.Linear(self.n_state + sum(dimensions.label_sizes), width)
        self.time_inputs = nn.Linear(TIME_DIM, width)
        self.layers = nn.ModuleList(FiLMGRULayer(config.hidden_dim) for _ in range(config.n_layers))
        self.norm = nn.LayerNorm(width)
        self.outputs = nn.Linear(width, self.n_numerical + self.n_channels * n_categories)

    @property
    def gru_layers(self) -> list[FiLMGRULayer]:
        """The layers, in order."""
        return [layer for layer in self.layers if isinstance(layer, FiLMGRULayer)]

    def read_out(self) -> tuple[Tensor, Tensor]:
        """Weight (outputs, 2H) and bias of the outputs, with the scale and shift of the LayerNorm before in them."""
        weight, bias = self.outputs.weight, self.outputs.bias
        return weight * self.norm.weight, bias + weight @ self.norm.bias

    def forward(self, scaled: Tensor, t: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """Scaled (B, L, D), t (B,), label (B, K) -> F (B, L, M_n), logits (B, L, M_c, C)."""
        time = self.time(t)
        weight, label_weight = self.inputs.weight.tensor_split([scaled.shape[-1]], dim=1)
        once = functional.linear(label, label_weight, self.inputs.bias) + self.time_inputs(time)  # for all steps
        h = functional.linear(scaled, weight) + once[:, None, :]
        for layer in self.layers:
            h = layer(h, time)
        output = self.outputs(self.norm(h))
        logits = output[..., self.n_numerical :].reshape(*output.shape[:2], self.n_channels, -1)
        return output[..., : self.n_numerical], logits


@torch.no_grad()
def start_at_marginals(outputs: nn.Linear, log_marginals: Tensor) -> None:
    """Let the logits, the last `outputs`, begin at log marginals (M_c, C) with zero weights (Mueller et al. 2025)."""
    first = outputs.out_features - log_marginals.numel()
    outputs.weight[first:] = 0
    outputs.bias[first:] = log_marginals.flatten()


class Denoised(NamedTuple):
    """What the denoiser knows of a clean stay: values (B, L, M_n) and raw logits (B, L, M_c, C)."""

    numerical: Tensor
    logits: Tensor


class Denoiser(MixedPrecision):
    """Network, schedules and embeddings together: everything that training learns."""

    def __init__(
        self,
        dimensions: Dimensions,
        config: NetworkConfig,
        *,
        learnable_schedule: bool,
        rho_range: tuple[float, float] = RHO_RANGE,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.dimensions = dimensions
        n_channels = len(dimensions.channel_sizes)
        self.embedding = CategoryEmbedding(dimensions.channel_sizes, dim=config.embedding_dim, generator=generator)
        self.network = DenoiserNetwork(dimensions, config, n_categories=self.embedding.mask.shape[1])
        schedule = partial(
            PowerMeanSchedule,
            sequence_length=dimensions.sequence_length,
            sigma_min=SIGMA_MIN,
            learnable=learnable_schedule,
            rho_range=rho_range,
        )
        self.numerical_schedule = schedule(
            n_features=dimensions.n_numerical, sigma_max=SIGMA_MAX_NUMERICAL, rho=RHO_NUMERICAL
        )
        self.embedding_schedule = schedule(n_features=n_channels, sigma_max=SIGMA_MAX_EMBEDDING, rho=RHO_EMBEDDING)

    @property
    def state_dim(self) -> int:
        """Coordinates of a state per clinical step, D = M_n + M_c d."""
        return self.dimensions.n_numerical + len(self.dimensions.channel_sizes) * self.embedding.dim

    def pack(self, numerical: Tensor, codes: Tensor) -> Tensor:
        """Clean values (B, L, M_n) and codes (B, L, M_c) -> one state (B, L, D)."""
        return torch.cat([numerical, self.embedding.embed(codes).flatten(2)], dim=-1)

    def unpack(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """One state (B, L, D) -> values (B, L, M_n) and embeddings (B, L, M_c, d)."""
        n_numerical, n_channels = self.dimensions.n_numerical, len(self.dimensions.channel_sizes)
        embeddings = state[..., n_numerical:].reshape(*state.shape[:2], n_channels, self.embedding.dim)
        return state[..., :n_numerical], embeddings

    def sigma(self, t: Tensor) -> Tensor:
        """(B,) diffusion times -> (B, L, D) noise level of every coordinate of a state."""
        embeddings = self.embedding_schedule(t).repeat_interleave(self.embedding.dim, dim=-1)
        return torch.cat([self.numerical_schedule(t), embeddings], dim=-1)

    def forward(self, state: Tensor, sigma: Tensor, t: Tensor, label: Tensor) -> Denoised:
        """Noisy state (B, L, D), its sigma (B, L, D), t (B,) and one-hot labels (B, K) -> Denoised.

        Numerical: `D = c_skip x + c_out F(c_in x)`. Embeddings are scaled by c_in and the network gives logits. Since
        sigma differs by step and feature, the network is told t in its place.
        """
        with self.products(state.device):
            output, logits = self.network(c_in(sigma) * state, t, label)
        return self.preconditioned(state, sigma, output, logits)

    def preconditioned(self, state: Tensor, sigma: Tensor, output: Tensor, logits: Tensor) -> Denoised:
        """What the network's F (..., B, L, M_n) and logits (..., B, L, M_c, C) say of a state (B, L, D) at `sigma`."""
        n = self.dimensions.n_numerical
        x, sigma_x = state[..., :n], sigma[..., :n]
        numerical = c_skip(sigma_x) * x + c_out(sigma_x) * output.float()
        return Denoised(numerical, logits.float().masked_fill(~self.embedding.mask, -torch.inf))

    def denoised_state(self, denoised: Denoised) -> Tensor:
        """Denoised values and score-interpolated embeddings as one state (B, L, D)."""
        # over the first dimension: on a CPU, torch takes 25 times as long over a last one of two
        probabilities = denoised.logits.movedim(-1, 0).softmax(0).movedim(0, -1)
        embeddings = self.embedding.interpolate(probabilities)
        return torch.cat([denoised.numerical, embeddings.flatten(2)], dim=-1)
