"""A training on files: what it leaves in the folder, and how it goes on after it was interrupted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from structlog.testing import capture_logs

from model.checkpoint import read_description
from model.data.arrange import arrange
from model.data.split import split
from model.spec.errors import Cancelled, DataError
from model.spec.guarantee import PrivacyBudget
from model.spec.report import Report
from model.training import CHECKPOINT
from service.contracts.records import ModelRecord
from service.contracts.storage import RECORD, file_sha256
from tests.worker.conftest import CPU, ignore_progress, never
from tests.worker.tables import SCHEMA, TINY_NETWORK, TINY_TRAINING, made_up_stays, write_table
from worker.train import Recipe, train_model


@pytest.fixture
def record(trained_folder: Path) -> ModelRecord:
    """The record of the tiny model."""
    return ModelRecord.model_validate_json((trained_folder / RECORD).read_bytes())


def test_the_folder_is_complete_and_its_manifest_true(trained_folder: Path, record: ModelRecord) -> None:
    names = {"weights.safetensors", "model.json", "reference.json", "report.json", "report.html"}
    assert set(record.files) == names
    assert {path.name for path in trained_folder.iterdir()} == {*names, RECORD}
    for name, entry in record.files.items():
        assert entry.sha256 == file_sha256(trained_folder / name)


def test_the_record_says_how_the_model_came_about(trained_folder: Path, record: ModelRecord) -> None:
    assert (record.name, record.n_steps, record.device) == ("tiny", 20, "cpu")
    assert (record.losses[0][0], record.losses[-1][0]) == (1, 20)
    assert record.losses == read_description(trained_folder).summary.history
    assert (record.n_train, record.n_holdout) == (96, 24)
    assert record.training == TINY_TRAINING
    assert record.network == TINY_NETWORK


def test_the_split_can_be_made_again_from_the_record(record: ModelRecord) -> None:
    stays = arrange(made_up_stays(), SCHEMA).stays
    sides = split(stays, holdout_fraction=record.holdout_fraction, seed=record.seed)
    assert (len(sides.train), len(sides.holdout)) == (record.n_train, record.n_holdout)
    deaths = int(sides.train.labels[:, 0].sum())
    assert record.label_counts["death"] == {"0": record.n_train - deaths, "1": deaths}


def test_a_training_that_was_interrupted_goes_on_and_ends_the_same(trained_folder: Path, tmp_path: Path) -> None:
    table = write_table(tmp_path / "table.parquet")
    workdir = tmp_path / "work"
    workdir.mkdir()
    steps: list[int] = []

    def train(folder: str, *, stop_after: int | None) -> None:
        (tmp_path / folder).mkdir()
        train_model(
            table,
            SCHEMA,
            recipe=Recipe(name="tiny", training=TINY_TRAINING, network=TINY_NETWORK),
            destination=tmp_path / folder,
            compute=CPU,
            workdir=workdir,
            progress=lambda step, value, _: steps.append(value) if step == "training" else None,
            cancelled=lambda: stop_after is not None and len(steps) >= stop_after,
            checkpoint_seconds=1e-9,
        )

    with pytest.raises(Cancelled):
        train("interrupted", stop_after=12)
    interrupted = list(steps)
    train("finished", stop_after=None)
    assert interrupted == list(range(1, 13))
    assert steps[12] == 13
    mine, whole = (load_file(folder / "weights.safetensors") for folder in (tmp_path / "finished", trained_folder))
    assert all(np.array_equal(mine[name], whole[name]) for name in whole)


def test_a_damaged_checkpoint_costs_the_work_and_not_the_job(trained_folder: Path, tmp_path: Path) -> None:
    workdir, destination = tmp_path / "work", tmp_path / "model"
    workdir.mkdir()
    destination.mkdir()
    (workdir / CHECKPOINT).write_bytes(b"damaged")
    with capture_logs() as lines:
        train_model(
            write_table(tmp_path / "table.parquet"),
            SCHEMA,
            recipe=Recipe(name="tiny", training=TINY_TRAINING, network=TINY_NETWORK),
            destination=destination,
            compute=CPU,
            workdir=workdir,
            progress=ignore_progress,
            cancelled=never,
        )
    assert [line["event"] for line in lines] == ["checkpoint_thrown_away"]
    mine, whole = (load_file(folder / "weights.safetensors") for folder in (destination, trained_folder))
    assert all(np.array_equal(mine[name], whole[name]) for name in whole)


def test_a_table_that_does_not_match_is_refused_with_the_culprit(tmp_path: Path) -> None:
    made_up_stays().drop(columns="temp").to_parquet(tmp_path / "table.parquet")
    with pytest.raises(DataError, match="column 'temp' is missing"):
        train_model(
            tmp_path / "table.parquet",
            SCHEMA,
            recipe=Recipe(name="tiny", training=TINY_TRAINING, network=TINY_NETWORK),
            destination=tmp_path,
            compute=CPU,
            workdir=None,
            progress=ignore_progress,
            cancelled=never,
        )


def test_a_rare_category_is_not_counted_to_the_stay(tmp_path: Path) -> None:
    frame = made_up_stays()
    frame["death"] = (frame["stay"] >= 1000 + 120 - 9).astype(int)  # nine deaths, of which the holdout has a part
    frame.to_parquet(tmp_path / "table.parquet")
    (tmp_path / "model").mkdir()
    record = train_model(
        tmp_path / "table.parquet",
        SCHEMA,
        recipe=Recipe(name="rare", training=TINY_TRAINING, network=TINY_NETWORK),
        destination=tmp_path / "model",
        compute=CPU,
        workdir=None,
        progress=ignore_progress,
        cancelled=never,
    )
    assert record.n_train == 96
    assert record.label_counts["death"]["1"] == 5  # as every count of 1 to 10
    assert set(record.label_counts["sex"]) == {"F", "M"}


def test_a_private_training_is_told_in_record_description_and_report(tmp_path: Path) -> None:
    table, folder = write_table(tmp_path / "table.parquet"), tmp_path / "model"
    folder.mkdir()
    budget = PrivacyBudget(epsilon=5, delta=1e-3)
    record = train_model(
        table,
        SCHEMA,
        recipe=Recipe(
            name="private", training=TINY_TRAINING.model_copy(update={"privacy": budget}), network=TINY_NETWORK
        ),
        destination=folder,
        compute=CPU,
        workdir=None,
        progress=ignore_progress,
        cancelled=never,
        schema_inferred=True,
    )
    guarantee = record.privacy
    assert guarantee is not None
    assert 4.9 < guarantee.epsilon <= 5
    assert (guarantee.unit, guarantee.delta, guarantee.steps, record.n_steps) == ("stay", 1e-3, 20, 20)
    assert record.losses == ()
    assert any("inferred" in each for each in guarantee.not_covered)
    description = read_description(folder)
    assert description.privacy == guarantee
    assert [(state.low, state.high) for state in description.codec.numerical] == [(0, 300), (25, 45)]
    assert all(state.has_missing for state in description.codec.categorical)
    report = Report.model_validate_json((folder / "report.json").read_bytes())
    assert report.guarantee == guarantee
    page = (folder / "report.html").read_text()
    assert "trained with differential privacy: epsilon " in page
    assert record.label_counts == {
        label.name: dict(zip(label.categories, counts, strict=True))
        for label, counts in zip(SCHEMA.labels, description.label_joint.marginals, strict=True)
    }
