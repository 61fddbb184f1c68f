from __future__ import annotations

from pathlib import Path

import pytest

from model.bench.expectations import Expectations, read_expectations, shortfalls
from model.bench.machine import KINDS
from model.bench.run import RATIOS
from model.spec.errors import CDMTError
from tests.model.bench.making import bench

COMMITTED = Path(__file__).parents[3] / "docs" / "speed-expectations.json"
EXPECTED = Expectations(tolerance=0.1, ratios={"cpu": {"a_vs_b": 30, "c_vs_d": 2}})


def test_a_ratio_may_fall_short_by_the_tolerance_and_no_more() -> None:
    assert shortfalls(bench({"a_vs_b": 27.0, "c_vs_d": 9}), EXPECTED) == []
    assert shortfalls(bench({"a_vs_b": 26.9, "c_vs_d": 9}), EXPECTED) == [
        "a_vs_b is 26.9, below 27.0: 30 is expected on 'cpu', less 10%"
    ]


def test_a_ratio_that_was_not_measured_is_told() -> None:
    assert shortfalls(bench({"a_vs_b": 30}), EXPECTED) == ["c_vs_d was not measured: 2 is expected on 'cpu'"]


def test_a_check_that_checks_nothing_does_not_pass() -> None:
    with pytest.raises(CDMTError, match="kind 'cuda'"):
        shortfalls(bench({"a_vs_b": 30}, kind="cuda"), EXPECTED)


def test_the_committed_expectations_are_of_ratios_that_are_measured_on_every_kind() -> None:
    expected = read_expectations(COMMITTED)
    assert set(expected.ratios) == set(KINDS)
    measured = {ratio.name for ratio in RATIOS}
    for wanted in expected.ratios.values():
        assert set(wanted) <= measured


def test_a_file_of_another_form_is_refused(tmp_path: Path) -> None:
    (tmp_path / "odd.json").write_text('{"tolerance": 2}')
    for name in ("odd.json", "missing.json"):
        with pytest.raises(CDMTError, match=name):
            read_expectations(tmp_path / name)
