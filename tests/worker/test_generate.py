"""A cohort drawn by a tiny model: exact labels, the same bytes again, and what its file says of itself."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from model.compute import Compute
from model.data.codec import Codec
from model.data.stays import Stays
from model.spec.errors import Cancelled, RatioError
from model.spec.report import Report
from model.spec.schema import Schema
from service.contracts.requests import GenerateRequest
from tests.worker.conftest import ignore_progress, never
from tests.worker.tables import FAST_SAMPLER, LENGTH, made_up_stays
from worker.cohort import read_cohort
from worker.generate import Generated, generate_cohort, keeping_rules
from worker.models import StoredModel, read_model


@pytest.fixture(scope="module")
def stored(trained_folder: Path) -> StoredModel:
    """The tiny model on the CPU."""
    return read_model(trained_folder, Compute(device="cpu"))


def generate(stored: StoredModel, folder: Path, *, chunk_size: int | None = 16, **wanted: Any) -> Generated:
    """A cohort in `folder`, without a report unless asked for."""
    fields = {"n_stays": 50, "sampler": FAST_SAMPLER, "evaluate": False, **wanted}
    folder.mkdir(exist_ok=True)
    return generate_cohort(
        stored,
        GenerateRequest(model_id=stored.record.id, **fields),
        destination=folder,
        real=None,
        chunk_size=chunk_size,
        progress=ignore_progress,
        cancelled=never,
    )


def test_label_counts_are_exact_and_the_table_looks_like_its_source(stored: StoredModel, tmp_path: Path) -> None:
    result, files = generate(stored, tmp_path, n_stays=200, label_ratios={"death": {"0": 0.7, "1": 0.3}})
    frame = pd.read_parquet(tmp_path / "cohort.parquet")
    assert frame.groupby("stay")["death"].first().value_counts().to_dict() == {0: 140, 1: 60}
    assert result.label_counts is not None
    assert result.label_counts["death"] == {"0": 140, "1": 60}
    source = made_up_stays()
    assert list(frame.columns) == list(source.columns)
    assert frame.dtypes.to_dict() == source.dtypes.to_dict()
    assert frame["stay"].tolist() == [stay for stay in range(200) for _ in range(LENGTH)]
    assert (result.n_stays, result.sha256) == (200, files["cohort.parquet"].sha256)


def test_balanced_strata_over_two_labels(stored: StoredModel, tmp_path: Path) -> None:
    strata = [{"labels": {"death": death, "sex": sex}, "ratio": 0.25} for death in "01" for sex in "FM"]
    generate(stored, tmp_path, n_stays=40, label_ratios=strata)
    read = f"select death, sex, count(distinct stay) from '{tmp_path}/cohort.parquet' group by all order by all"
    assert duckdb.execute(read).fetchall() == [(0, "F", 10), (0, "M", 10), (1, "F", 10), (1, "M", 10)]


def test_the_same_request_gives_the_same_bytes_and_another_seed_does_not(stored: StoredModel, tmp_path: Path) -> None:
    first, again, other = (
        generate(stored, tmp_path / name, seed=seed).result.sha256 for name, seed in (("a", 7), ("b", 7), ("c", 8))
    )
    assert first == again != other


def test_the_file_says_what_it_is(stored: StoredModel, tmp_path: Path) -> None:
    generate(stored, tmp_path, seed=5)
    with pq.ParquetFile(tmp_path / "cohort.parquet") as file:
        metadata = {key.decode(): value.decode() for key, value in file.metadata.metadata.items()}
        assert (file.metadata.num_rows, file.num_row_groups) == (50 * LENGTH, 1)
    assert metadata["cdmt.synthetic"] == "true"
    assert metadata["cdmt.model_id"] == stored.record.id
    assert metadata["cdmt.model_sha256"] == stored.record.sha256
    assert metadata["cdmt.seed"] == "5"
    assert json.loads(metadata["cdmt.request"])["n_stays"] == 50


def test_unconditional_stays_have_labels_of_the_models_own_choice(stored: StoredModel, tmp_path: Path) -> None:
    result, _ = generate(stored, tmp_path, mode="unconditional")
    assert result.label_counts is not None
    assert all(sum(counts.values()) == 50 for counts in result.label_counts.values())


def test_the_report_of_a_cohort_says_what_was_asked_for_and_what_came_out(stored: StoredModel, tmp_path: Path) -> None:
    result, files = generate(stored, tmp_path, n_stays=40, evaluate=True, label_ratios={"death": "balanced"})
    assert set(files) == {"cohort.parquet", "report.html", "report.json"}
    report = Report.model_validate_json((tmp_path / "report.json").read_bytes())
    deaths = next(label for label in report.labels if label.name == "death")
    assert deaths.asked == deaths.obtained == {"0": 20, "1": 20}
    assert report.provenance["model_id"] == stored.record.id
    assert report.provenance["dataset_sha256"] == stored.record.dataset_sha256
    assert result.figures["total_variation"] is not None
    assert set(result.timings) == {"sampling", "evaluation"}


def test_the_report_looks_at_a_bounded_sample_and_knows_the_whole(
    stored: StoredModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.assess.EVALUATED_STAYS", 24)
    generate(stored, tmp_path, n_stays=60, evaluate=True)
    report = Report.model_validate_json((tmp_path / "report.json").read_bytes())
    assert (report.n_stays, report.n_evaluated) == (60, 24)
    assert sum(report.labels[0].obtained.values()) == 60


def test_the_bytes_do_not_depend_on_the_evaluation(stored: StoredModel, tmp_path: Path) -> None:
    wanted: list[dict[str, Any]] = [{"evaluate": False}, {"evaluate": True}, {"evaluate": False, "detail": "full"}]
    files = [generate(stored, tmp_path / str(n), n_stays=30, **change).files for n, change in enumerate(wanted)]
    assert len({found["cohort.parquet"].sha256 for found in files}) == 1


def test_without_the_training_stays_the_gate_cannot_judge(stored: StoredModel, tmp_path: Path) -> None:
    for evaluate in (False, True):
        result, _ = generate(stored, tmp_path / str(evaluate), n_stays=30, evaluate=evaluate)
        assert result.privacy == "not_evaluated"
        assert result.privacy_reason


def test_stays_that_break_a_rule_are_drawn_again_and_the_labels_stay_exact(stored: StoredModel, tmp_path: Path) -> None:
    schema = stored.model.schema.model_copy(update={"rules": ("temp <= heart_rate",)})
    with_rules = replace(stored, model=replace(stored.model, codec=codec_of(stored, schema)))
    ratios = {"death": {"0": 0.7, "1": 0.3}}
    free = generate(with_rules, tmp_path / "a", n_stays=60, label_ratios=ratios)
    kept = generate(with_rules, tmp_path / "b", n_stays=60, label_ratios=ratios, enforce_rules=True)
    assert free.result.redraw_rate is None
    assert kept.result.redraw_rate is not None
    assert 0 <= kept.result.redraw_rate < 1
    frame = pd.read_parquet(tmp_path / "b" / "cohort.parquet")
    assert not (frame["temp"] > frame["heart_rate"]).any()
    assert kept.result.label_counts == free.result.label_counts


def test_rules_hold_for_the_numbers_that_are_written(stored: StoredModel) -> None:
    """36.6 beats a limit of 36.8, but goes into a column of integers as 37."""
    schema = stored.model.schema.model_copy(update={"rules": ("heart_rate <= temp",)})
    description = stored.model.description
    columns = tuple(
        column.model_copy(update={"dtype": "int32"}) if column.name == "heart_rate" else column
        for column in description.layout.columns
    )
    layout = description.layout.model_copy(update={"columns": columns})
    model = replace(
        stored.model, codec=codec_of(stored, schema), description=description.model_copy(update={"layout": layout})
    )
    numerical = np.full((2, LENGTH, 2), (36.4, 36.8), dtype=np.float32)
    numerical[0, 0] = (36.6, 36.8)
    stays = Stays(numerical, np.zeros((2, LENGTH, 1), dtype=np.int64), np.zeros((2, 2), dtype=np.int64))
    assert keeping_rules(model)(stays).tolist() == [False, True]


def codec_of(stored: StoredModel, schema: Schema) -> Codec:
    """The model's codec, for a schema with other rules."""
    return Codec(stored.model.codec.state.model_copy(update={"data_schema": schema}))


def test_rules_that_are_not_there_cannot_be_enforced(stored: StoredModel, tmp_path: Path) -> None:
    result, _ = generate(stored, tmp_path, enforce_rules=True)
    assert (result.redraw_rate, len(result.warnings)) == (0, 1)
    assert "no rules" in result.warnings[0]


def test_one_stay(stored: StoredModel, tmp_path: Path) -> None:
    assert generate(stored, tmp_path, n_stays=1).result.n_stays == 1
    assert len(pd.read_parquet(tmp_path / "cohort.parquet")) == LENGTH


def test_imputed_output_has_no_gaps(stored: StoredModel, tmp_path: Path) -> None:
    generate(stored, tmp_path, missing="imputed")
    assert not pd.read_parquet(tmp_path / "cohort.parquet").isna().any(axis=None)


@pytest.mark.parametrize(("missing", "imputed"), [("imputed", True), ("as_observed", False)])
def test_the_report_reads_from_the_request_whether_values_were_filled(
    missing: str, imputed: bool, stored: StoredModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def complete(*given: Any, **named: Any) -> Stays:
        return stored.model.codec.fill(read_cohort(*given, **named))

    monkeypatch.setattr("worker.assess.read_cohort", complete)  # as a model that never draws a gap
    generate(stored, tmp_path, missing=missing, evaluate=True)
    report = Report.model_validate_json((tmp_path / "report.json").read_bytes())
    assert any("filled in" in note for note in report.notes) == imputed


def test_ratios_that_the_model_cannot_have(stored: StoredModel, tmp_path: Path) -> None:
    with pytest.raises(RatioError, match="unknown label 'outcome'"):
        generate(stored, tmp_path, label_ratios={"outcome": "balanced"})


def test_progress_counts_stays(stored: StoredModel, tmp_path: Path) -> None:
    seen = []
    generate_cohort(
        stored,
        GenerateRequest(model_id="any", n_stays=40, sampler=FAST_SAMPLER, evaluate=False),
        destination=tmp_path,
        real=None,
        chunk_size=20,
        progress=lambda step, value, most: seen.append((step, value, most)),
        cancelled=never,
    )
    assert {step for step, _, _ in seen} == {"sampling"}
    assert seen[-1] == ("sampling", 40, 40)


def test_cancelled_between_two_steps(stored: StoredModel, tmp_path: Path) -> None:
    answers = iter([False, False, True])
    with pytest.raises(Cancelled):
        generate_cohort(
            stored,
            GenerateRequest(model_id="any", n_stays=40, sampler=FAST_SAMPLER, evaluate=False),
            destination=tmp_path,
            real=None,
            chunk_size=20,
            progress=ignore_progress,
            cancelled=lambda: next(answers),
        )
