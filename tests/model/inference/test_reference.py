"""The truth for all engines is itself held against the GRU's equations, in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from model.diffusion.denoiser import DenoiserNetwork, FiLMGRULayer
from model.inference.choice import random_inputs, relative_error
from model.inference.reference import Reference
from tests.model.inference.networks import made_up_denoiser


def direction(gru: nn.GRU, x: Tensor, suffix: str) -> Tensor:
    """`h <- (1 - z) n + z h`; `r, z = sigmoid(W x + U h)`, `n = tanh(W x + r (U h + b))`: Cho et al. 2014, as in torch.

    x (B, L, I) -> (B, L, H); the reverse direction starts at the end.
    """
    w_x, w_h, b_x, b_h = (
        gru.get_parameter(name + suffix).double()
        for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    )
    h = x.new_zeros(len(x), gru.hidden_size)
    states = []
    for step in x.unbind(1) if not suffix else x.flip(1).unbind(1):
        r_x, z_x, n_x = (step @ w_x.T + b_x).chunk(3, -1)
        r_h, z_h, n_h = (h @ w_h.T + b_h).chunk(3, -1)
        r, z = (r_x + r_h).sigmoid(), (z_x + z_h).sigmoid()
        h = (1 - z) * (n_x + r * n_h).tanh() + z * h
        states.append(h)
    return torch.stack(states if not suffix else states[::-1], 1)


def closed_form(network: DenoiserNetwork, scaled: Tensor, t: float, label: Tensor) -> Tensor:
    """The network's outputs (B, L, out), step by step in float64."""

    def linear(module: nn.Linear, x: Tensor) -> Tensor:
        return x @ module.weight.double().T + module.bias.double()

    def normed(norm: nn.LayerNorm, x: Tensor) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        return centred / (centred.pow(2).mean(-1, keepdim=True) + norm.eps).sqrt() * norm.weight + norm.bias

    time = network.time(torch.tensor([t])).double()[0]
    repeated = label[:, None, :].expand(-1, scaled.shape[1], -1)
    h = linear(network.inputs, torch.cat([scaled, repeated], -1).double()) + linear(network.time_inputs, time)
    for layer in network.layers:
        assert isinstance(layer, FiLMGRULayer)
        gamma, beta = linear(layer.film, functional.silu(time)).chunk(2)
        x = (1 + gamma) * normed(layer.norm, h) + beta
        h = h + torch.cat([direction(layer.gru, x, ""), direction(layer.gru, x, "_reverse")], -1)
    return linear(network.outputs, normed(network.norm, h))


@pytest.mark.parametrize("labels", [(), (2,), (2, 3)])
def test_it_is_the_networks_equations(labels: tuple[int, ...]) -> None:
    denoiser = made_up_denoiser(labels=labels)
    inputs = random_inputs(denoiser)
    scaled, branches = inputs.scaled[:5], inputs.labels[:, :5]
    output, logits = Reference(denoiser.network)(scaled, torch.tensor(0.3), branches)
    assert output.shape == (2, 5, 6, 3)
    assert logits.shape == (2, 5, 6, 3, 3)
    for branch in range(2):
        expected = closed_form(denoiser.network, scaled, 0.3, branches[branch]).float()
        found = torch.cat([output[branch], logits[branch].flatten(2)], -1)
        assert relative_error(found, expected) < 1e-5


def test_it_calls_the_network_as_training_does() -> None:
    """To the bit: cohorts of earlier versions come out again."""
    denoiser = made_up_denoiser()
    inputs = random_inputs(denoiser)
    output, logits = Reference(denoiser.network)(inputs.scaled, torch.tensor(0.3), inputs.labels)
    n = len(inputs.scaled)
    expected = denoiser.network(inputs.scaled.repeat(2, 1, 1), torch.full((2 * n,), 0.3), inputs.labels.flatten(0, 1))
    assert torch.equal(output.flatten(0, 1), expected[0])
    assert torch.equal(logits.flatten(0, 1), expected[1])
