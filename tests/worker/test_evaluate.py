"""The report on two tables."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from model.spec.errors import DataError
from model.spec.report import PRIVACY_METRICS, EvaluationOptions, Report
from model.spec.schema import Schema
from service.contracts.ids import new_id
from service.contracts.jobs import JobRecord, JobResult, now
from service.contracts.records import TABLE, DatasetRecord
from service.contracts.requests import EvaluateRequest, UploadedTable
from service.contracts.storage import manifest, write_record
from tests.worker.conftest import ignore_progress, never
from tests.worker.tables import SCHEMA, made_up_stays, write_table
from worker.evaluate import evaluate_table, read_sides
from worker.tasks import execute
from worker.workshop import Workshop


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
            options=EvaluationOptions(metrics=("total_variation",)),
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
        options=EvaluationOptions(metrics=("total_variation", "tstr")),
        progress=ignore_progress,
        cancelled=never,
    )
    scores = {score.name: score for score in report.scores if score.label in (None, label.name)}
    assert scores["total_variation"].status == "ok"
    assert scores["tstr"].status == "not_available"


def copies(n_copies: int) -> pd.DataFrame:
    """Stays of which the first `n_copies` are those of the dataset under other ids."""
    real, fresh = made_up_stays(), made_up_stays(seed=1)
    copied = real[real["stay"] < 1000 + n_copies]
    return pd.concat([copied, fresh[fresh["stay"] >= 1000 + n_copies]])


def evaluated(shop: Workshop, frame: pd.DataFrame, request: EvaluateRequest) -> JobResult:
    """The result of an evaluate job of an uploaded table."""
    job = JobRecord(id=new_id(), created_at=now(), request=request)
    with shop.store.staging("test") as folder:
        frame.to_parquet(folder / "table", index=False)
        shop.jobs.create(job, table=folder / "table")
    assert execute(job.id, shop) == "succeeded"
    result = shop.jobs.read(job.id).result
    assert result is not None
    assert set(shop.store.report(job.id).files) == {"report.html", "report.json"}
    return result


def asked_for(dataset: DatasetRecord, **change: object) -> EvaluateRequest:
    table = UploadedTable(filename="other.parquet", n_stays=120, sha256="0" * 64, bytes=1)
    fields = {"dataset_id": dataset.id, "table": table, "metrics": sorted(PRIVACY_METRICS), **change}
    return EvaluateRequest.model_validate(fields)


@pytest.mark.parametrize(("n_copies", "privacy"), [(30, "held"), (0, "passed")])
def test_an_uploaded_table_is_judged(shop: Workshop, dataset: DatasetRecord, n_copies: int, privacy: str) -> None:
    result = evaluated(shop, copies(n_copies), asked_for(dataset))
    assert (result.privacy, result.n_stays) == (privacy, 120)
    assert bool(result.privacy_failed) == (privacy == "held")
    assert result.privacy_reason


def test_a_table_of_another_product_may_differ_a_little(shop: Workshop, dataset: DatasetRecord) -> None:
    frame = copies(0)[["sex", "death", "temp", "heart_rate", "ventilated", "hour", "stay"]].assign(extra=1)
    frame = frame.astype({"death": float, "hour": float}).assign(stay="s" + frame["stay"].astype(str))
    metrics = ("exact_copies",)
    plain = evaluated(shop, copies(0), asked_for(dataset, metrics=metrics))
    assert evaluated(shop, frame, asked_for(dataset, metrics=metrics)).figures == plain.figures


def put_holdout(shop: Workshop, dataset: DatasetRecord, schema: Schema = SCHEMA) -> str:
    with shop.store.staging("test") as folder:
        made_up_stays(60, seed=2).to_parquet(folder / TABLE, index=False)
        record = dataset.model_copy(update={"id": "other-stays", "files": manifest(folder), "table_schema": schema})
        write_record(folder, record)
        shop.store.publish(folder, "datasets", record.id)
    return record.id


def test_a_holdout_of_its_own_leaves_all_real_stays_on_the_other_side(shop: Workshop, dataset: DatasetRecord) -> None:
    request = asked_for(dataset, holdout_dataset_id=put_holdout(shop, dataset))
    result = evaluated(shop, copies(30), request)
    assert result.privacy == "held"
    (job_id,) = shop.store.ids("reports")
    report = Report.model_validate_json((shop.store.report_dir(job_id) / "report.json").read_bytes())
    assert (report.n_training, report.n_holdout) == (120, 60)
    assert report.provenance["holdout_dataset_id"] == "other-stays"


def test_an_error_in_the_holdout_says_so(tmp_path: Path) -> None:
    real, other = write_table(tmp_path / "real.parquet"), tmp_path / "other.csv"
    made_up_stays().drop(columns="sex").to_csv(other, index=False)
    with pytest.raises(DataError, match="the holdout table: column 'sex' is missing"):
        evaluate_table(
            real,
            real,
            SCHEMA,
            destination=tmp_path,
            title="test",
            holdout=other,
            progress=ignore_progress,
            cancelled=never,
        )


@pytest.mark.parametrize("n_shared", [120, 30])
def test_a_holdout_that_holds_training_stays_is_refused(tmp_path: Path, n_shared: int) -> None:
    """Else each copy of them would count as what real stays show among themselves."""
    real, fresh = made_up_stays(), made_up_stays(seed=2)
    real.to_parquet(tmp_path / "real.parquet", index=False)
    shared = pd.concat([real[real["stay"] < 1000 + n_shared], fresh.assign(stay=fresh["stay"] + 1000)])
    shared.to_csv(tmp_path / "holdout.csv", index=False)  # another file, the same stays
    with pytest.raises(DataError, match=f"the holdout table: {n_shared} of its .* must hold others"):
        read_sides(tmp_path / "real.parquet", SCHEMA, holdout=tmp_path / "holdout.csv", holdout_fraction=0.2, seed=0)
