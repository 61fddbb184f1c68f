import numpy as np
import torch
from scipy import stats

from model.private import noise

N = 200_000
ALPHA = 1e-6
"""A right generator fails so rarely."""


def test_uniform_numbers_are_even() -> None:
    drawn = noise.uniform(N)
    assert 0 <= drawn.min() < drawn.max() < 1
    assert stats.kstest(drawn, "uniform").pvalue > ALPHA


def test_normal_numbers_are_normal_and_independent() -> None:
    drawn = noise.normal(N + 1)
    assert len(drawn) == N + 1
    assert stats.kstest(drawn, "norm").pvalue > ALPHA
    halves = drawn[: N // 2], drawn[N // 2 : N]  # both are from the same pairs
    assert abs(np.corrcoef(*halves)[0, 1]) < 5 / (N // 2) ** 0.5


def test_nothing_repeats_them() -> None:
    cpu = torch.device("cpu")
    assert not np.array_equal(noise.normal(4), noise.normal(4))
    assert not torch.equal(*(torch.rand(4, generator=noise.generator(cpu)) for _ in range(2)))


def test_each_unit_is_sampled_at_the_rate_and_alone() -> None:
    taken = np.zeros((1000, 20))
    for row in taken:
        row[noise.sample(20, 0.3)] = 1
    sizes = taken.sum(axis=1)
    assert abs(taken.mean() - 0.3) < 5 * (0.3 * 0.7 / taken.size) ** 0.5
    assert abs(sizes.var() - 20 * 0.3 * 0.7) < 1.5  # of a fixed batch size it would be 0
    assert len(noise.sample(20, 1.0)) == 20
