"""Intervals of shares: a 95 % one for the reader, and a stricter lower bound for the gate."""

from __future__ import annotations

import math

from scipy.stats import beta, norm

TAIL = 0.025
GATE_TAIL = 0.001
"""Chance that a bound of the gate is beyond the truth. There are some fifty tests, but each threshold leaves room above
what chance gives: a cohort that is as near to the training stays as real ones are passes them all (see the tests)."""

Z95 = float(norm.isf(TAIL))
Z_GATE = float(norm.isf(GATE_TAIL))


def lower(k: float, n: float, *, tail: float = TAIL) -> float:
    """Lower bound of a share of which `k` out of `n` were seen (Clopper & Pearson 1934); fractions are allowed."""
    return 0.0 if k <= 0 or n <= 0 else float(beta.ppf(tail, k, n - k + 1))


def upper(k: float, n: float, *, tail: float = TAIL) -> float:
    """Upper bound of a share of which `k` out of `n` were seen (Clopper & Pearson 1934); fractions are allowed."""
    return 1.0 if k >= n or n <= 0 else float(beta.isf(tail, k + 1, n - k))


def difference(
    k: float, n: float, base_k: float, base_n: float, *, tail: float = TAIL, base_tail: float | None = None
) -> tuple[float, float]:
    """Bounds of `k / n - base_k / base_n` for independent shares (Newcombe 1998, method 10, on exact bounds).

    `base_tail` is for the second share's upper bound, where it must be surer than the rest.
    """
    share, base = k / n, base_k / base_n
    base_tail = tail if base_tail is None else base_tail
    down = math.hypot(share - lower(k, n, tail=tail), upper(base_k, base_n, tail=base_tail) - base)
    up = math.hypot(upper(k, n, tail=tail) - share, base - lower(base_k, base_n, tail=tail))
    return share - base - down, share - base + up


def balanced(share: float, chance: float) -> float:
    """`share` as it would be if chance were 0.5: the odds divided by the odds of chance."""
    part = share * (1 - chance)
    whole = part + (1 - share) * chance
    return part / whole if whole > 0 else 0.5
