"""Untrained denoisers of any shape, with weights that let every part of the network count."""

from __future__ import annotations

import torch

from model.diffusion.denoiser import Denoiser, Dimensions
from model.spec.config import NetworkConfig


def made_up_denoiser(
    *, length: int = 6, hidden: int = 16, layers: int = 2, labels: tuple[int, ...] = (2,), n_numerical: int = 3
) -> Denoiser:
    """Random weights, also where training begins with zeros; channels of two and three categories."""
    dimensions = Dimensions(length, n_numerical, channel_sizes=(2, 3, 2), label_sizes=labels)
    config = NetworkConfig(hidden_dim=hidden, n_layers=layers, embedding_dim=4)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        denoiser = Denoiser(dimensions, config, learnable_schedule=False, generator=torch.Generator().manual_seed(0))
        for layer in denoiser.network.layers:
            torch.nn.init.normal_(layer.get_submodule("film").get_parameter("weight"), std=0.05)
            torch.nn.init.normal_(layer.get_submodule("norm").get_parameter("bias"), std=0.1)
    return denoiser.requires_grad_(False)
