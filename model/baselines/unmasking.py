"""Drawing from mask diffusion: Euler steps for the numbers, and categories that are revealed on the way."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from model.baselines.categories import draw_codes
from model.baselines.drawing import AfterStep
from model.baselines.masking import MASK, MaskDenoiser
from model.diffusion.denoiser import Denoised
from model.diffusion.guidance import extrapolate
from model.diffusion.sampler import solver_times

Predict = Callable[[Tensor, Tensor, Tensor, Tensor], Denoised]
"""(x (B, L, M_n), sigma (L, M_n), codes (B, L, M_c), t ()) -> clean values and logits"""


def guided(denoiser: MaskDenoiser, label: Tensor, *, scale: float) -> Predict:
    """Predictions that follow `label` (B, K): `D_0 + scale (D_y - D_0)` for values and raw logits, as in our own model.

    Both branches go through the network in one call of 2B stays; a branch that would not count is left out.
    """
    nothing = torch.zeros_like(label)
    if scale in (0.0, 1.0) or not label.any():
        single = label if scale else nothing
        return lambda x, sigma, codes, t: _evaluate(denoiser, x, sigma, codes, t, single)
    both, strength = torch.cat([nothing, label]), [torch.tensor(scale, device=label.device)]

    def predict(x: Tensor, sigma: Tensor, codes: Tensor, t: Tensor) -> Denoised:
        values, logits = _evaluate(denoiser, torch.cat([x, x]), sigma, torch.cat([codes, codes]), t, both)
        return Denoised(extrapolate(values.chunk(2), strength), extrapolate(logits.chunk(2), strength))

    return predict


def _evaluate(denoiser: MaskDenoiser, x: Tensor, sigma: Tensor, codes: Tensor, t: Tensor, label: Tensor) -> Denoised:
    denoised: Denoised = denoiser(x, sigma.expand_as(x), codes, t.expand(len(x)), label)
    return denoised


def sample_states(
    predict: Predict,
    x: Tensor,
    *,
    sigmas: Tensor,
    sizes: Tensor,
    generator: torch.Generator,
    after_step: AfterStep,
) -> tuple[Tensor, Tensor]:
    """Values (B, L, M_n) and codes (B, L, M_c), all revealed, in N steps with t from 1 to 0.

    x is noise at sigmas[0]; sigmas (N, L, M_n), the last followed by 0, and Euler's method as in `euler_sampler`; sizes
    (M_c,). From t to s, a hidden category is revealed with probability (t - s) / t, as softmax(logits) has it, and then
    stays (Sahoo et al. 2024, section 3). The last step has t = 0: all are revealed, only the values move.
    """
    times = solver_times(len(sigmas)).to(x.device)
    codes = torch.full((*x.shape[:2], len(sizes)), MASK, device=x.device)
    for i, sigma in enumerate(sigmas):
        last = i + 1 == len(sigmas)
        values, logits = predict(x, sigma, codes, times[i])
        x = x + ((0.0 if last else sigmas[i + 1]) - sigma) / sigma * (x - values)
        if not last:
            reveal, uniform = (torch.rand(codes.shape, generator=generator, device=x.device) for _ in range(2))
            now = (codes == MASK) & (reveal < (times[i] - times[i + 1]) / times[i])
            codes = torch.where(now, draw_codes(logits, uniform, sizes), codes)
        after_step((i + 1) / len(sigmas))
    return x, codes
