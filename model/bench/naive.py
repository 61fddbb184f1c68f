"""Training as one writes it first: torch's own GRU in float32, plain Adam, an average parameter by parameter.

The objective is ours; what our training does to be faster is not in here, so that it can be compared with this.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.bench.subjects import SEED
from model.data.codec import Codec
from model.data.stays import Stays
from model.diffusion.denoiser import Denoiser, FiLMGRULayer
from model.objective import Batch, Denoising, log_marginals_of
from model.spec.config import NetworkConfig, TrainingConfig
from model.training_run import dimensions_of

LEARNING_RATE, GRADIENT_NORM, LABEL_DROPOUT, EMA_DECAY = 1e-3, 1.0, 0.2, 0.997


class PlainLayer(nn.Module):
    """`h + BiGRU((1 + gamma(t)) LayerNorm(h) + beta(t))` by torch's modules alone, whatever our layer does."""

    def __init__(self, layer: FiLMGRULayer) -> None:
        super().__init__()
        self.norm, self.film, self.gru = layer.norm, layer.film, layer.gru

    def forward(self, h: Tensor, time: Tensor) -> Tensor:
        """H (B, L, 2H), time (B, 256) -> (B, L, 2H)."""
        gamma, beta = self.film(functional.silu(time))[:, None, :].chunk(2, dim=-1)
        output, _ = self.gru((1 + gamma) * self.norm(h) + beta)
        residual: Tensor = h + output
        return residual


def naive_steps(stays: Stays, codec: Codec, *, batch_size: int, device: torch.device) -> Callable[[], None]:
    """An optimiser step. Each batch is brought to the device, and the loss is read back."""
    objective = Denoising(NetworkConfig(), TrainingConfig())
    data = Batch(*(torch.as_tensor(array) for array in codec.encode(stays)))
    module = _plain(objective, data, codec).to(device)
    averages = {name: value.detach().clone() for name, value in module.named_parameters()}
    optimiser = torch.optim.Adam([value for value in module.parameters() if value.requires_grad], lr=LEARNING_RATE)
    order, generator = torch.Generator().manual_seed(SEED), torch.Generator(device).manual_seed(SEED)

    def step() -> None:
        chosen = torch.randperm(len(data.labels), generator=order)[:batch_size]
        batch = Batch(*(tensor[chosen].to(device) for tensor in data))
        dropped = torch.rand(len(batch.labels), 1, generator=generator, device=device) < LABEL_DROPOUT
        batch = batch._replace(labels=batch.labels.masked_fill(dropped, -1))
        loss = objective.loss(module, batch, generator=generator)
        assert math.isfinite(loss.item())
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(module.parameters(), GRADIENT_NORM, foreach=False)
        optimiser.step()
        _average(averages, module)

    return step


def _plain(objective: Denoising, data: Batch, codec: Codec) -> Denoiser:
    dimensions = dimensions_of(codec, data.numerical.shape[1])
    marginals = log_marginals_of(data.codes, dimensions.channel_sizes)
    module = objective.build(dimensions, marginals, generator=torch.Generator().manual_seed(SEED))
    layers = [layer for layer in module.network.layers if isinstance(layer, FiLMGRULayer)]
    module.network.layers = nn.ModuleList(PlainLayer(layer) for layer in layers)
    return module


@torch.no_grad()
def _average(averages: dict[str, Tensor], module: nn.Module) -> None:
    for name, value in module.named_parameters():
        averages[name].mul_(EMA_DECAY).add_(value, alpha=1 - EMA_DECAY)
