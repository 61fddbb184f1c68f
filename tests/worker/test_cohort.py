"""A cohort on its way to the disk."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from model.data.arrange import arrange
from model.data.stays import Stays
from tests.worker.tables import SCHEMA, made_up_stays
from worker.cohort import concatenate, write_cohort
from worker.generate import Tally


def test_what_is_written_reads_back_as_it_was(tmp_path: Path) -> None:
    arranged = arrange(made_up_stays(30), SCHEMA)
    parts = [arranged.stays.take(slice(0, 20)), arranged.stays.take(slice(20, 30))]
    path = tmp_path / "cohort.parquet"
    passed = list(write_cohort(parts, path, schema=SCHEMA, layout=arranged.layout, metadata={"a": "b"}))
    assert passed == parts
    back = arrange(pd.read_parquet(path), SCHEMA).stays
    np.testing.assert_allclose(back.numerical, arranged.stays.numerical, rtol=1e-6)
    np.testing.assert_array_equal(back.categorical, arranged.stays.categorical)
    np.testing.assert_array_equal(back.labels, arranged.stays.labels)


def test_no_chunk_is_kept_once_the_sample_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.generate.EVALUATED_STAYS", 30)
    arranged = arrange(made_up_stays(20), SCHEMA)
    drawn: list[weakref.ref[Stays]] = []

    def chunks() -> Iterator[Stays]:
        for _ in range(6):
            stays = arranged.stays.take(slice(None))
            drawn.append(weakref.ref(stays))
            yield stays

    tally, alive = Tally(SCHEMA), []
    for stays in write_cohort(
        chunks(), tmp_path / "cohort.parquet", schema=SCHEMA, layout=arranged.layout, metadata={}
    ):
        tally.add(stays)
        alive.append(sum(chunk() is not None for chunk in drawn))
    assert max(alive) <= 2
    assert tally.n_stays == 120
    assert len(concatenate(tally.sample)) == 30
    assert tally.label_counts["death"] == {"0": 90, "1": 30}
