"""The small networks that judge stays, and the one loop that trains them: seeded, so that a figure can be repeated."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from model.evaluation.space import Codes, Floats, Inputs, Tick
from model.spec.report import Classifier

TELL_EVERY = 0.25  # seconds: to tell the progress costs a look whether somebody asked to stop


class Mlp(nn.Module):
    """(n, D) -> (n, C) logits, two hidden layers."""

    def __init__(self, n_inputs: int, n_classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_inputs, 128),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(128, 64),
            nn.ReLU(),
            nn.Linear(64, n_classes),
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """(n, D) -> (n, C)."""
        logits: Tensor = self.layers(inputs)
        return logits


class Recurrent(nn.Module):
    """(n, L, W) -> (n, C) logits: an LSTM, mean and maximum of its states over time, one linear layer."""

    def __init__(self, n_inputs: int, n_classes: int, *, bidirectional: bool, dropout: float, hidden: int) -> None:
        super().__init__()
        self.input_dropout = nn.Dropout(dropout / 5)
        self.lstm = nn.LSTM(n_inputs, hidden, batch_first=True, bidirectional=bidirectional)
        self.head = Head(hidden * (2 if bidirectional else 1), n_classes, dropout=dropout)

    def forward(self, inputs: Tensor) -> Tensor:
        """(n, L, W) -> (n, C)."""
        states, _ = self.lstm(self.input_dropout(inputs))
        logits: Tensor = self.head(states)
        return logits


class Transformer(nn.Module):
    """(n, L, W) -> (n, C) logits: one self-attention layer over the steps, to which sines add where each step is."""

    def __init__(self, n_inputs: int, n_classes: int, *, dropout: float, width: int, n_heads: int = 2) -> None:
        super().__init__()
        self.input_dropout = nn.Dropout(dropout / 5)
        self.embed = nn.Linear(n_inputs, width)
        # No dropout within the layer: on a CPU it doubles the time; the head has enough of it.
        self.layer = nn.TransformerEncoderLayer(width, n_heads, 2 * width, 0.0, batch_first=True, norm_first=True)
        self.head = Head(width, n_classes, dropout=dropout)

    def forward(self, inputs: Tensor) -> Tensor:
        """(n, L, W) -> (n, C)."""
        embedded = self.embed(self.input_dropout(inputs))
        states = self.layer(embedded + positions(embedded.shape[1], embedded.shape[2]))
        logits: Tensor = self.head(states)
        return logits


class CnnLstm(nn.Module):
    """(n, L, W) -> (n, C) logits: a convolution over 3 steps, every other step of it through an LSTM."""

    def __init__(self, n_inputs: int, n_classes: int, *, dropout: float, hidden: int) -> None:
        super().__init__()
        self.input_dropout = nn.Dropout(dropout / 5)
        self.convolution = nn.Conv1d(n_inputs, hidden, kernel_size=3, padding=1)
        self.lstm = nn.LSTM(hidden, hidden, batch_first=True)
        self.head = Head(hidden, n_classes, dropout=dropout)

    def forward(self, inputs: Tensor) -> Tensor:
        """(n, L, W) -> (n, C)."""
        local = torch.relu(self.convolution(self.input_dropout(inputs).transpose(1, 2)))
        halved = nn.functional.max_pool1d(local, 2, ceil_mode=True)
        states, _ = self.lstm(halved.transpose(1, 2))
        logits: Tensor = self.head(states)
        return logits


class Head(nn.Module):
    """(n, L, H) states -> (n, C) logits: mean and maximum over time, one linear layer."""

    def __init__(self, n_states: int, n_classes: int, *, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(2 * n_states, n_classes)

    def forward(self, states: Tensor) -> Tensor:
        """(n, L, H) -> (n, C)."""
        pooled = torch.cat([states.mean(dim=1), states.amax(dim=1)], dim=1)
        logits: Tensor = self.linear(self.dropout(pooled))
        return logits


def positions(n_steps: int, width: int) -> Tensor:
    """(L, D) sines and cosines of the step number (Vaswani et al. 2017, section 3.5); `width` D is even."""
    step = torch.arange(n_steps, dtype=torch.float32)[:, None]
    rates = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000) / width))
    return torch.cat([torch.sin(step * rates), torch.cos(step * rates)], dim=1)


def classifier(kind: Classifier, *, n_inputs: int, n_classes: int) -> nn.Module:
    """An untrained network that predicts a label from (n, L, W) stays."""
    if kind == "bilstm":
        return Recurrent(n_inputs, n_classes, bidirectional=True, dropout=0.5, hidden=32)
    if kind == "transformer":
        return Transformer(n_inputs, n_classes, dropout=0.5, width=32)
    return CnnLstm(n_inputs, n_classes, dropout=0.5, hidden=32)


@dataclass(frozen=True)
class Budget:
    """How long a network learns: `max_epochs`, or until the validation loss has not fallen for `patience` epochs.

    `validation` is the share of the stays that is kept aside for that loss. Of few stays, an epoch goes through them
    as often as `steps` optimiser steps need.
    """

    max_epochs: int
    patience: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    steps: int = 25
    validation: float = 0.15


def fit(network: nn.Module, inputs: Inputs, targets: Codes, *, budget: Budget, seed: int, tick: Tick) -> None:
    """Train `network` in place on `inputs` (n, ...) and class codes (n,), and leave it with its best weights."""
    x, y = torch.from_numpy(np.ascontiguousarray(inputs)), torch.from_numpy(targets)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    n_validation = max(1, round(budget.validation * len(x)))
    validation, training = order[:n_validation], order[n_validation:]
    optimiser = torch.optim.AdamW(network.parameters(), lr=budget.learning_rate, weight_decay=budget.weight_decay)
    best, best_weights, waited = float("inf"), copy.deepcopy(network.state_dict()), 0
    for epoch in range(budget.max_epochs):
        _epoch(network, optimiser, x, y, _batches(training, budget), tick=_within(tick, epoch, budget.max_epochs))
        loss = _loss(network, x[validation], y[validation])
        waited = 0 if loss < best - 1e-4 else waited + 1
        if waited == 0:
            best, best_weights = loss, copy.deepcopy(network.state_dict())
        if waited >= budget.patience:
            break
    network.load_state_dict(best_weights)


def _within(tick: Tick, epoch: int, n_epochs: int) -> Tick:
    return lambda fraction: tick((epoch + fraction) / n_epochs)


def _batches(training: Tensor, budget: Budget) -> list[Tensor]:
    batches: list[Tensor] = []
    while not batches or len(batches) < budget.steps:
        batches += torch.split(training[torch.randperm(len(training))], budget.batch_size)
    return batches


def _epoch(
    network: nn.Module, optimiser: torch.optim.Optimizer, x: Tensor, y: Tensor, batches: list[Tensor], *, tick: Tick
) -> None:
    tick(0.0)
    told = time.monotonic()
    network.train()
    for k, batch in enumerate(batches):
        if time.monotonic() - told > TELL_EVERY:  # an epoch of many stays takes seconds
            tick(k / len(batches))
            told = time.monotonic()
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(network(x[batch]), y[batch])
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()


@torch.no_grad()
def _loss(network: nn.Module, x: Tensor, y: Tensor) -> float:
    network.eval()
    parts = [
        nn.functional.cross_entropy(network(inputs), targets, reduction="sum").item()
        for inputs, targets in zip(torch.split(x, 1024), torch.split(y, 1024), strict=True)
    ]
    return sum(parts) / len(x)


@torch.no_grad()
def probabilities(network: nn.Module, inputs: Inputs) -> Floats:
    """(n, C) class probabilities of stays (n, ...)."""
    network.eval()
    x = torch.from_numpy(np.ascontiguousarray(inputs))
    out: npt.NDArray[np.float32] = torch.cat([network(part).softmax(dim=1) for part in torch.split(x, 1024)]).numpy()
    return out.astype(np.float64)
