"""A small load, in which nothing may be lost and no answer be of the server's fault: `make load` is the large one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.load.__main__ import measure
from tests.load.figures import figures, quantiles, shortcomings
from tests.load.run import Tally


@pytest.mark.e2e
@pytest.mark.slow
def test_nothing_is_lost_and_no_answer_is_a_server_error(tmp_path: Path) -> None:
    tally = measure(tmp_path, n_jobs=150, n_clients=20, n_listeners=10)
    assert shortcomings(tally) == []
    found = figures(tally)
    assert found["ends"] == {"succeeded": 150}
    assert found["answers"]["submit 202"] == 150
    assert found["submit_ms"]["p50"] > 0


def test_quantiles_of_known_numbers() -> None:
    assert quantiles([number / 1000 for number in range(100, 0, -1)]) == {"p50": 51.0, "p99": 100.0, "max": 100.0}
    assert quantiles([]) == {}


def test_what_is_not_as_promised_is_told() -> None:
    lost = Tally(n_jobs=2, ids=["a", "b"], ends=Counter({"succeeded": 1, "failed": 1}), peak_rss=400_000_000)
    lost.statuses["submit 503"] = 3
    lost.n_listening = 2
    assert [told.split()[0] for told in shortcomings(lost)] == ["3", "2", "2", "the"]
