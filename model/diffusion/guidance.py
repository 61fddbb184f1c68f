"""Classifier-free guidance (Ho & Salimans 2022) as a wrapper round the denoiser."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from model.diffusion.denoiser import Denoised, Dimensions
from model.spec.config import GuidanceScale
from model.spec.schema import Label

Denoise = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(state (B, L, D), sigma (L, D), t ()) -> denoised state (B, L, D)"""


class BranchDenoiser(Protocol):
    """What guidance asks of a denoiser."""

    @property
    def dimensions(self) -> Dimensions:
        """The sizes of what is drawn."""

    def __call__(self, state: Tensor, sigma: Tensor, t: Tensor, labels: Tensor) -> Denoised:
        """State (B, L, D), sigma (L, D), t (), labels (R, B, K) of R branches -> Denoised with (R, B, ...) in front."""

    def denoised_state(self, denoised: Denoised) -> Tensor:
        """Denoised values and categories (B, ...) as one state (B, L, D)."""


def one_hot_labels(codes: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """(B, K) label codes -> (B, sum of sizes) one-hot vectors side by side; code -1 gives zeros: not conditioned on."""
    vectors = [(codes[:, k, None] == torch.arange(size, device=codes.device)).float() for k, size in enumerate(sizes)]
    return torch.cat(vectors, dim=-1) if vectors else codes.new_zeros((len(codes), 0), dtype=torch.float32)


class LabelScales(NamedTuple):
    """Guidance scale of every category of every label, side by side (sum of sizes,): for values, for categories."""

    numerical: Tensor
    categorical: Tensor

    def all_are(self, value: float) -> bool:
        """Whether there is one scale for everything, and this is it."""
        return bool((self.numerical == value).all() and (self.categorical == value).all())

    @property
    def uniform(self) -> bool:
        """Whether all labels have the same scale."""
        return all(bool((kind == kind[0]).all()) for kind in self)


def label_scales(scale: GuidanceScale, labels: Sequence[Label]) -> LabelScales:
    """The scales that a configuration gives to the categories of `labels`."""
    own = [_own_scale(scale, label.name, category) for label in labels for category in label.categories]
    numerical = [scale.numerical if value is None else value for value in own]
    categorical = [scale.categorical if value is None else value for value in own]
    return LabelScales(torch.tensor(numerical, dtype=torch.float32), torch.tensor(categorical, dtype=torch.float32))


def _own_scale(scale: GuidanceScale, label: str, category: str) -> float | None:
    own = scale.labels.get(label)
    return own.get(category) if isinstance(own, dict) else own


def guided(denoiser: BranchDenoiser, label: Tensor, *, scales: LabelScales) -> Denoise:
    """A denoiser of states that follows `label` (B, K) with strength `scales`.

    scale = 1 + w: 1 is conditional without guidance, 0 unconditional, above 1 exaggerates the label. Values:
    `D = D_0 + scale (D_y - D_0)`; categories: the same on raw logits, before the softmax. Where labels differ in
    scale, they join one after the other: `D = D_0 + sum_k scale_k (D_(y_1..y_k) - D_(y_1..y_(k-1)))`. All branches go
    through the network in one call; a branch that would not count is left out.
    """
    if not label.any() or scales.all_are(0.0):
        return _branch(denoiser, torch.zeros_like(label))
    if scales.all_are(1.0):
        return _branch(denoiser, label)
    steps = [label] if scales.uniform else _one_after_the_other(label, denoiser.dimensions.label_sizes)
    branches = torch.stack([torch.zeros_like(label), *steps])
    # the scale of the label that a step adds, given the stay's category of it: (B,) per step and kind
    added = [after - before for before, after in pairwise([torch.zeros_like(label), *steps])]
    n_added = [step.sum(1).clamp(min=1) for step in added]
    strengths = [[(step @ kind.to(label)) / n for step, n in zip(added, n_added, strict=True)] for kind in scales]

    def denoise(state: Tensor, sigma: Tensor, t: Tensor) -> Tensor:
        every = denoiser(state, sigma, t, branches)
        numerical = extrapolate(every.numerical.unbind(), strengths[0])
        logits = extrapolate(every.logits.unbind(), strengths[1])
        return denoiser.denoised_state(Denoised(numerical, logits))

    return denoise


def _one_after_the_other(label: Tensor, sizes: tuple[int, ...]) -> list[Tensor]:
    """The label vector with the first 1, 2, ... K labels in it."""
    ends = torch.tensor(sizes).cumsum(0).tolist()
    place = torch.arange(label.shape[1], device=label.device)
    return [label * (place < end) for end in ends]


def extrapolate(branches: Sequence[Tensor], strengths: Sequence[Tensor]) -> Tensor:
    """`b_0 + sum_k s_k (b_k - b_(k-1))`, with strengths (B,) or (); padding is -inf in all branches, and stays so."""
    total = branches[0]
    for (before, after), strength in zip(pairwise(branches), strengths, strict=True):
        s = strength.reshape(-1, *[1] * (total.ndim - 1))
        total = torch.where(before.isinf(), before, total + s * (after - before))
    return total


def _branch(denoiser: BranchDenoiser, label: Tensor) -> Denoise:
    def denoise(state: Tensor, sigma: Tensor, t: Tensor) -> Tensor:
        only = denoiser(state, sigma, t, label[None])
        return denoiser.denoised_state(Denoised(only.numerical[0], only.logits[0]))

    return denoise
