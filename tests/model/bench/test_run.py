"""A whole benchmark of the bundled model, with as little work as there can be."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

import model
from model.bench import generation
from model.bench.plan import Plan
from model.bench.records import write_bench
from model.bench.run import RATIOS, run_bench
from model.bench.subjects import Product
from model.bench.table import table
from model.data.layout import TableLayout
from model.data.stays import Stays
from model.spec.config import SamplerConfig
from model.spec.schema import Schema
from tests.model.conftest import CPU
from tests.model.evaluation.conftest import shorten

BUNDLED = Path(model.__file__).parent / "bundled" / "challenge2012-v1"
TINY = Plan(
    runs=2, n_stays=4, n_long=1, timediff_batches=(2, 4), timediff_steps=2, training_steps=1, n_reported=60
)  # fmt: skip


def passing_on(
    chunks: Iterable[Stays], path: Path, *, schema: Schema, layout: TableLayout, metadata: Mapping[str, str]
) -> Iterator[Stays]:
    """Writes next to nothing."""
    path.write_text(f"{schema.stay_id} {layout} {metadata}")
    yield from chunks


@pytest.mark.slow
def test_all_is_measured_and_the_json_has_what_was_promised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(generation.SAMPLERS, "euler_50", ("Euler-50", SamplerConfig(solver="euler", n_steps=2)))
    shorten(monkeypatch)
    found = run_bench(Product(BUNDLED, lambda _: 4, passing_on), TINY, CPU, notice=lambda _: None)
    write_bench(found, tmp_path / "bench.json")
    written = json.loads((tmp_path / "bench.json").read_text())
    assert {"machine", "figures", "ratios"} <= set(written)
    assert written["failed"] == {}
    assert set(written["ratios"]) == {ratio.name for ratio in RATIOS}
    assert {
        "guided_euler_50_vs_timediff", "guided_2m_20_vs_timediff", "uncond_euler_50_vs_timediff",
        "uncond_2m_20_vs_timediff", "training_vs_naive",
    } <= set(written["ratios"])  # fmt: skip
    assert {
        "guided_euler_50_seconds_20920", "guided_2m_20_stays_per_second", "uncond_2m_20_seconds_per_1000",
        "guided_2m_20_272_steps_stays_per_second", "guided_euler_50_h92_stays_per_second", "timediff_seconds_20920",
        "training_steps_per_second", "training_naive_milliseconds_per_step", "model_load_seconds",
        "parquet_write_stays_per_second", "evaluation_seconds", "rss_loaded", "rss_generation", "rss_end",
    } <= set(written["figures"])  # fmt: skip
    for name, figure in written["figures"].items():
        assert set(figure) == {"title", "unit", "median", "low", "high", "runs", "scaled"}
        assert len(figure["runs"]) == (1 if name.startswith("rss") else 2), name
        assert 0 < figure["low"] <= figure["median"] <= figure["high"]
    assert written["figures"]["guided_2m_20_seconds_20920"]["scaled"] == "from 4 stays"
    assert {"processor", "cores", "gpu", "threads", "instruction_sets", "load_average", "kind"} <= set(
        written["machine"]
    )
    assert written["engines"]["bundled"]
    assert "guided, 2M-20, 272 steps" in table(found)
