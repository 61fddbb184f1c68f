"""Nothing sleeps on the way of a small job, and an upload stays out of the gateway's memory.

`python -m tests.load.latency` and `python -m tests.load.upload` give the figures.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator

import pytest

from tests.chaos.stack import Stack, running
from tests.load.latency import measure
from tests.load.upload import send


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A gateway and a worker that generates."""
    folder = tmp_path_factory.mktemp("stack")
    with running(folder, data_dir=folder / "var", workers=("generate",)) as stack:
        yield stack


@pytest.mark.e2e
def test_nothing_sleeps_between_a_request_and_its_answer(stack: Stack) -> None:
    parts = measure(stack, n_jobs=9, n_stays=2)
    medians = {name: statistics.median(seconds) for name, seconds in parts.items()}
    assert medians["answer"] < 0.1, medians
    assert medians["total"] - medians["drawing"] < 1, medians


@pytest.mark.e2e
def test_an_upload_does_not_fill_the_gateway(stack: Stack) -> None:
    send(stack, 1_000_000)
    found = send(stack, 20_000_000)
    assert found["status"] == 201
    assert found["gateway_peak"] - found["gateway_before"] < 10_000_000
    assert found["child_peak"] > 100_000_000  # where the table was
