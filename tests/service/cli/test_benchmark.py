from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from model.bench import run
from model.bench.history import HistoryLine
from model.bench.subjects import Product
from model.compute import Compute
from service.cli.app import main
from tests.model.bench.making import bench
from worker.cohort import write_cohort

EXPECTED = json.dumps({"tolerance": 0.1, "ratios": {"cpu": {"a_vs_b": 30}}})


def cdmt(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["cdmt", "bench", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[object, ...]]:
    """What would have been measured, in place of measuring it: a ratio of 20."""
    calls: list[tuple[object, ...]] = []

    def planted(product: Product, plan: object, compute: Compute, *, groups: object, notice: object) -> object:
        calls.append((product, plan, compute, groups))
        return bench({"a_vs_b": 20.0})

    monkeypatch.setattr(run, "run_bench", planted)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "expected.json").write_text(EXPECTED)
    return calls


def test_the_table_is_shown_and_files_are_written_where_they_are_wanted(
    asked: list[tuple[object, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cdmt(monkeypatch, "--json", "out/bench.json", "--history", "history.jsonl", "--only", "training") == 0
    assert "a_vs_b" in capsys.readouterr().out
    assert json.loads((tmp_path / "out" / "bench.json").read_text())["ratios"] == {"a_vs_b": 20.0}
    line = HistoryLine.model_validate_json((tmp_path / "history.jsonl").read_text())
    assert line.commit
    ((product, _, compute, groups),) = asked
    assert isinstance(product, Product)
    assert isinstance(compute, Compute)
    assert product.write is write_cohort
    assert (product.folder / "weights.safetensors").exists()
    assert groups == ("training",)


def test_a_ratio_that_fell_is_said_and_fails(
    asked: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cdmt(monkeypatch, "--check", "expected.json") == 1
    assert "a_vs_b is 20.0, below 27.0: 30 is expected on 'cpu', less 10%" in capsys.readouterr().err


def test_a_ratio_as_expected_passes(
    asked: list[tuple[object, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "expected.json").write_text(EXPECTED.replace("30", "22"))
    assert cdmt(monkeypatch, "--check", "expected.json") == 0
    assert "as expected on 'cpu'" in capsys.readouterr().out


def test_threads_are_those_of_a_worker_unless_asked_for(
    asked: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    before = torch.get_num_threads()
    try:
        monkeypatch.setenv("CDMT_THREADS", "3")
        assert cdmt(monkeypatch) == 0
        assert torch.get_num_threads() == 3
        assert cdmt(monkeypatch, "--threads", "2") == 0
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
