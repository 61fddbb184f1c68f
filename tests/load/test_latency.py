"""A small job is not kept waiting by anything but its own work: `python -m tests.load.latency` gives the figures."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

from tests.chaos.stack import running
from tests.load.latency import measure


@pytest.mark.e2e
def test_nothing_sleeps_between_a_request_and_its_answer(tmp_path: Path) -> None:
    with running(tmp_path, data_dir=tmp_path / "var", workers=("generate",)) as stack:
        parts = measure(stack, n_jobs=9, n_stays=2)
    medians = {name: statistics.median(seconds) for name, seconds in parts.items()}
    assert medians["answer"] < 0.1, medians
    assert medians["total"] < 1, medians
