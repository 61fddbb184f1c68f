"""A cohort takes the same memory whatever its size, but for its plan, which is 8 bytes a stay and label.

What numpy, Python and Arrow hold is counted, since the resident memory of so small cohorts tells nothing. That of a
million stays is measured by `python -m tests.load.memory`.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from model.compute import Compute
from service.contracts.records import COHORT
from service.contracts.requests import GenerateRequest
from tests.worker.conftest import never
from tests.worker.tables import FAST_SAMPLER, SCHEMA
from worker.cohort import read_cohort
from worker.generate import draw_cohort
from worker.models import StoredModel, read_model

SMALL, LARGE = 3_000, 15_000
GROUP_STAYS = 250  # few: a group that is being written is held or not, as the writer beside gets on
PLAN_BYTES = 8 * len(SCHEMA.labels)
LAST_LOOKS = 12  # of six chunks
MARGIN = 24  # bytes a stay: the values of a stay, if it were kept, would be 112, its rows in a table 340


@pytest.fixture(autouse=True)
def traced(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Allocations are counted, and row groups are so short that there are several."""
    monkeypatch.setattr("worker.cohort.GROUP_ROWS", GROUP_STAYS * SCHEMA.sequence_length)
    tracemalloc.start()
    yield
    tracemalloc.stop()


def held() -> int:
    """Bytes that numpy, Python and Arrow hold now."""
    return tracemalloc.get_traced_memory()[0] + int(pa.total_allocated_bytes())


def held_at_the_end(stored: StoredModel, n_stays: int, folder: Path) -> int:
    """The bytes held beside what was before, in the last steps in which a cohort is drawn into `folder`.

    The least of them: the writer beside is sometimes at a group, and sometimes not.
    """
    looks = []

    def look(_step: str, _value: int, _max: int) -> None:
        looks.append(held())

    gc.collect()
    before = held()
    request = GenerateRequest(model_id="tiny", n_stays=n_stays, sampler=FAST_SAMPLER, evaluate=False)
    draw_cohort(stored, request, destination=folder, chunk_size=256, progress=look, cancelled=never)
    return min(looks[-LAST_LOOKS:]) - before


def test_memory_does_not_grow_with_the_cohort(trained_folder: Path, tmp_path: Path) -> None:
    stored = read_model(trained_folder, Compute(device="cpu"))
    drawn, read = [], []
    for n_stays in (500, SMALL, LARGE):  # the first is for what is made once
        folder = tmp_path / str(n_stays)
        folder.mkdir()
        drawn.append(held_at_the_end(stored, n_stays, folder))
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        read_cohort(folder / COHORT, SCHEMA, n_stays=GROUP_STAYS)
        read.append(tracemalloc.get_traced_memory()[1] - before)
    more = LARGE - SMALL
    assert PLAN_BYTES - 1 <= (drawn[2] - drawn[1]) / more <= PLAN_BYTES + MARGIN, drawn
    assert (read[2] - read[1]) / more <= MARGIN, read
