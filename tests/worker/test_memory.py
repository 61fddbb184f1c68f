"""A cohort takes the same memory whatever its size, but for its plan: in a fresh process, by the kernel's own peaks."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

from tests.load.memory import peak, reset_peak
from tests.worker.tables import FAST_SAMPLER, SCHEMA

SMALL, LARGE = 20_000, 60_000
BYTES_PER_STAY = 100
"""Allowed: the plan is 16 for two labels, and 40 while it is made. The values of a stay, kept, would be 112 more."""


def peaks(model: Path, folder: Path, n_stays: int) -> dict[str, int]:
    """Bytes beyond what was resident before, of drawing a cohort, and of reading it for its report."""
    from model.compute import Compute
    from service.contracts.records import COHORT
    from service.contracts.requests import GenerateRequest
    from tests.worker.conftest import ignore_progress, never
    from worker import cohort
    from worker.generate import draw_cohort
    from worker.models import read_model

    stored = read_model(model, Compute(device="cpu"))
    cohort.GROUP_ROWS = 24_000  # as many groups as a much larger cohort has

    def draw(n: int) -> None:
        destination = folder / str(n)
        destination.mkdir()
        request = GenerateRequest(model_id="tiny", n_stays=n, sampler=FAST_SAMPLER, evaluate=False)
        draw_cohort(
            stored, request, destination=destination, chunk_size=None, progress=ignore_progress, cancelled=never
        )

    def read(n: int) -> None:
        cohort.read_cohort(folder / str(n) / COHORT, SCHEMA, n_stays=1_000)

    found = {}
    for work in (draw, read):
        work(2_000)
        before = reset_peak()
        work(n_stays)
        found[work.__name__] = peak() - before
    return found


def test_memory_does_not_grow_with_the_cohort(trained_folder: Path, tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    found = []
    for n_stays in (SMALL, LARGE):
        folder = tmp_path / str(n_stays)
        folder.mkdir()
        with spawn.Pool(1) as pool:
            found.append(pool.apply(peaks, (trained_folder, folder, n_stays)))
    slopes = {name: (found[1][name] - found[0][name]) / (LARGE - SMALL) for name in found[0]}
    assert max(slopes.values()) < BYTES_PER_STAY, (slopes, found)
