from __future__ import annotations

from pathlib import Path

from model.bench.history import HistoryLine, append_history
from tests.model.bench.making import bench


def test_each_benchmark_adds_a_line_and_leaves_the_others(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    append_history(bench({"a_vs_b": 30.0}), path, commit="abc1234")
    first = path.read_text()
    append_history(bench({"a_vs_b": 31.0}), path, commit="def5678")
    assert path.read_text().startswith(first)
    lines = [HistoryLine.model_validate_json(line) for line in path.read_text().splitlines()]
    assert [(line.commit, line.ratios["a_vs_b"]) for line in lines] == [("abc1234", 30.0), ("def5678", 31.0)]
    assert lines[0].figures["guided_2m_20_seconds_per_1000"] == 2.0
    assert lines[0].date.isoformat() == "2026-01-02T03:04:05+00:00"
    assert (lines[0].threads, lines[0].kind, lines[0].torch) == (1, "cpu", "2.13.0")
