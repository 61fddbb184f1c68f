"""The report on two tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.spec.errors import DataError
from tests.worker.conftest import ignore_progress, never
from tests.worker.tables import SCHEMA, made_up_stays, write_table
from worker.evaluate import evaluate_table


def test_real_stays_called_synthetic_look_real_and_shifted_ones_do_not(tmp_path: Path) -> None:
    real = write_table(tmp_path / "real.parquet")
    made_up_stays(seed=1).to_csv(tmp_path / "like.csv", index=False)
    made_up_stays(seed=1).assign(ventilated="yes").to_csv(tmp_path / "unlike.csv", index=False)

    def total_variation(name: str) -> float:
        report = evaluate_table(
            real,
            tmp_path / name,
            SCHEMA,
            destination=tmp_path,
            title="test",
            metrics=("total_variation",),
            progress=ignore_progress,
            cancelled=never,
        )
        return report.headline()["total_variation"]

    assert total_variation("like.csv") < 0.05
    assert total_variation("unlike.csv") > 0.2
    assert "<svg" in (tmp_path / "report.html").read_text()
    assert (tmp_path / "report.json").stat().st_size > 0


def test_an_error_says_which_of_the_tables_is_meant(tmp_path: Path) -> None:
    real = write_table(tmp_path / "real.parquet")
    made_up_stays().drop(columns="temp").to_csv(tmp_path / "synthetic.csv", index=False)
    with pytest.raises(DataError, match="the synthetic table: column 'temp' is missing") as caught:
        evaluate_table(
            real,
            tmp_path / "synthetic.csv",
            SCHEMA,
            destination=tmp_path,
            title="test",
            progress=ignore_progress,
            cancelled=never,
        )
    assert caught.value.column == "temp"


def test_a_cohort_of_one_label_class_is_evaluated_and_says_what_it_lacks(tmp_path: Path) -> None:
    real = write_table(tmp_path / "real.parquet")
    label = SCHEMA.labels[0]
    made_up_stays(seed=1).assign(**{label.name: label.categories[1]}).to_csv(tmp_path / "ones.csv", index=False)
    report = evaluate_table(
        real,
        tmp_path / "ones.csv",
        SCHEMA,
        destination=tmp_path,
        title="test",
        metrics=("total_variation", "tstr"),
        progress=ignore_progress,
        cancelled=never,
    )
    scores = {score.name: score for score in report.scores if score.label in (None, label.name)}
    assert scores["total_variation"].status == "ok"
    assert scores["tstr"].status == "not_available"
