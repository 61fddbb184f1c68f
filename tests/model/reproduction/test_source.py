from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from model.reproduction.source import Source, balanced, file_sha256, read_source
from model.spec.errors import DataError


def test_the_split_is_always_the_same_and_a_fifth_is_held_out(source: Source, table: Path) -> None:
    assert (len(source.train), len(source.holdout)) == (320, 80)
    again = read_source(table)
    assert np.array_equal(again.holdout.numerical, source.holdout.numerical, equal_nan=True)
    assert source.sha256 == file_sha256(table)
    assert source.schema.rules == ("dbp <= map",)


def test_balanced_has_equally_many_of_each_label_and_no_stay_twice(source: Source) -> None:
    part = balanced(source.train, seed=0)
    deaths = int(source.train.labels.sum())
    assert (len(part), int(part.labels.sum())) == (2 * deaths, deaths)
    assert len(np.unique(part.numerical.reshape(len(part), -1), axis=0)) == len(part)
    assert not np.array_equal(part.numerical, balanced(source.train, seed=1).numerical, equal_nan=True)


def test_a_table_without_an_outcome_will_not_do(tmp_path: Path) -> None:
    frame = pd.DataFrame({"stay_id": [1, 1, 2, 2], "hour": [0, 1, 0, 1], "heart_rate": [80.0, 81.0, 90.0, 91.0]})
    frame.to_parquet(tmp_path / "plain.parquet")
    with pytest.raises(DataError, match=r"plain\.parquet has no column that looks like an outcome"):
        read_source(tmp_path / "plain.parquet")
