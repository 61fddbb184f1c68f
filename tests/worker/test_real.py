"""The real stays behind a model, as long as they are there."""

from __future__ import annotations

import pandas as pd
import pytest

from model.spec.errors import CDMTError
from service.contracts.records import TABLE, ModelRecord
from service.contracts.storage import write_record
from worker.real import split_of
from worker.workshop import Workshop


def test_the_split_is_the_one_of_the_training(shop: Workshop, model: ModelRecord) -> None:
    sides = split_of(model, shop.store)
    assert sides is not None
    assert (len(sides.train), len(sides.holdout)) == (model.n_train, model.n_holdout)
    assert model.label_counts["death"]["1"] == int(sides.train.labels[:, 0].sum())


def test_a_dataset_that_is_gone_gives_none(shop: Workshop, model: ModelRecord) -> None:
    shop.store.remove("datasets", str(model.dataset_id))
    assert split_of(model, shop.store) is None


def test_another_dataset_under_the_same_id_gives_none(shop: Workshop, model: ModelRecord) -> None:
    dataset = shop.store.dataset(str(model.dataset_id))
    write_record(shop.store.dataset_dir(dataset.id), dataset.model_copy(update={"sha256": "0" * 64}))
    assert split_of(model, shop.store) is None


def test_another_table_in_the_place_of_a_datasets_is_not_read(shop: Workshop, model: ModelRecord) -> None:
    path = shop.store.dataset_dir(str(model.dataset_id)) / TABLE
    with shop.store.files.source(path).open("rb") as file:
        other = pd.read_parquet(file).iloc[::-1]
    other.to_parquet(path, index=False)
    with pytest.raises(CDMTError, match="not the file that its record describes"):
        split_of(model, shop.store)


def test_a_model_without_a_dataset_gives_none(shop: Workshop, model: ModelRecord) -> None:
    assert split_of(model.model_copy(update={"dataset_id": None}), shop.store) is None
