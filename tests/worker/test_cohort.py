"""A cohort on its way to the disk."""

from __future__ import annotations

import dataclasses
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from model.data.arrange import arrange
from model.data.frame import to_table
from model.data.stays import Stays, concatenate
from model.spec.binning import Binning
from model.spec.errors import Cancelled, DataError
from tests.model.inference.networks import made_up_denoiser
from tests.worker.tables import LENGTH, SCHEMA, made_up_stays
from worker import cohort
from worker.cohort import CHUNK_GPU, bytes_of_a_stay, chunk_that_fits, read_cohort, write_cohort
from worker.generate import Tally
from worker.provenance import time_metadata


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


def test_no_chunk_is_kept(tmp_path: Path) -> None:
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
    assert tally.label_counts["death"] == {"0": 90, "1": 30}


def test_a_chunk_is_written_while_the_next_one_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first write waits until the second chunk is being drawn, which would never come to be in turn."""
    arranged = arrange(made_up_stays(20), SCHEMA)
    drawing, order = threading.Event(), []

    def table(stays: Stays, *arguments: object, first_stay: int, **others: object) -> pa.Table:
        assert drawing.wait(20)
        order.append(first_stay)
        return to_table(stays, SCHEMA, arranged.layout, first_stay=first_stay)

    def chunks() -> Iterator[Stays]:
        for number in range(3):
            if number == 1:
                drawing.set()
            yield arranged.stays

    monkeypatch.setattr(cohort, "to_table", table)
    monkeypatch.setattr(cohort, "GROUP_ROWS", 1)
    path = tmp_path / "cohort.parquet"
    assert len(list(write_cohort(chunks(), path, schema=SCHEMA, layout=arranged.layout, metadata={}))) == 3
    assert order == [0, 20, 40]
    assert pq.ParquetFile(path).num_row_groups == 3


def test_what_goes_wrong_in_writing_or_drawing_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arranged = arrange(made_up_stays(5), SCHEMA)

    def cancelled() -> Iterator[Stays]:
        yield arranged.stays
        raise Cancelled("the generation was cancelled")

    def full(*_: object, **__: object) -> pa.Table:
        raise OSError(28, "No space left on device")

    def write(chunks: Iterator[Stays]) -> None:
        for _ in write_cohort(chunks, tmp_path / "c", schema=SCHEMA, layout=arranged.layout, metadata={}):
            pass

    with pytest.raises(Cancelled):
        write(cancelled())
    monkeypatch.setattr(cohort, "to_table", full)
    with pytest.raises(OSError, match="No space"):
        write(iter([arranged.stays]))


def test_a_chunk_fits_half_of_a_gpus_memory() -> None:
    denoiser = made_up_denoiser(length=25, hidden=64)
    stay = bytes_of_a_stay(denoiser)
    assert stay == 4 * 25 * (10 * denoiser.state_dim + 6 * 128)
    assert chunk_that_fits(80 * 2**30, stay) == CHUNK_GPU
    assert chunk_that_fits(1000 * stay, stay) == 512
    assert chunk_that_fits(1024 * stay, stay) == 1024
    assert chunk_that_fits(stay // 2, stay) == 1


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_a_cohort_with_time_stamps_reads_back(tmp_path: Path, zone: str | None) -> None:
    """Every stay begins at an instant that is plainly made up, and the file says so."""
    frame = made_up_stays(30)
    stamps = pd.Timestamp("2150-03-04 05:06:07", tz=zone) + pd.to_timedelta(frame["hour"], unit="h")
    schema = SCHEMA.model_copy(update={"binning": Binning(step="1h")})
    arranged = arrange(frame.assign(hour=stamps), schema)
    metadata = time_metadata(schema, arranged.layout)
    path = tmp_path / "cohort.parquet"
    list(write_cohort([arranged.stays], path, schema=schema, layout=arranged.layout, metadata=metadata))
    back = pd.read_parquet(path)
    assert back["hour"].dtype == stamps.dtype
    assert (back.groupby("stay")["hour"].min() == pd.Timestamp("2000-01-01", tz=zone and "UTC")).all()
    assert metadata == {"cdmt.time_origin": "2000-01-01T00:00:00, made up: where every stay begins"}
    assert pq.read_schema(path).metadata[b"cdmt.time_origin"].startswith(b"2000-01-01T00:00:00")
    np.testing.assert_allclose(read_cohort(path, schema, n_stays=30).numerical, arranged.stays.numerical, rtol=1e-6)
    assert time_metadata(SCHEMA, arrange(frame, SCHEMA).layout) == {}


@pytest.fixture
def group_per_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every chunk is a row group."""
    monkeypatch.setattr("worker.cohort.GROUP_ROWS", 1)


@pytest.fixture
def written(tmp_path: Path, group_per_chunk: None) -> Path:
    """Six chunks of 20 stays, all alike, each in a row group of its own."""
    return write_six_chunks(tmp_path / "cohort.parquet")


def write_six_chunks(path: Path) -> Path:
    arranged = arrange(made_up_stays(20), SCHEMA)
    list(write_cohort([arranged.stays] * 6, path, schema=SCHEMA, layout=arranged.layout, metadata={}))
    return path


def group_rows(path: Path) -> list[int]:
    with pq.ParquetFile(path) as file:
        return [file.metadata.row_group(k).num_rows for k in range(file.num_row_groups)]


@pytest.mark.parametrize(("rows", "groups"), [(1, [1] * 6), (40, [1] * 6), (121, [2] * 3), (500, [5, 1]), (10**6, [6])])
def test_small_chunks_share_a_row_group_and_none_is_divided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int, groups: list[int]
) -> None:
    monkeypatch.setattr("worker.cohort.GROUP_ROWS", rows)
    path = write_six_chunks(tmp_path / "cohort.parquet")
    assert group_rows(path) == [n * 20 * LENGTH for n in groups]
    assert pd.read_parquet(path)["stay"].tolist() == [stay for stay in range(120) for _ in range(LENGTH)]


@pytest.mark.parametrize(("n_stays", "got"), [(1, 1), (20, 20), (30, 30), (120, 120), (1000, 120)])
def test_the_first_stays_are_read_back_in_order(written: Path, n_stays: int, got: int) -> None:
    stays = read_cohort(written, SCHEMA, n_stays=n_stays)
    expected = concatenate([arrange(made_up_stays(20), SCHEMA).stays] * 6).take(slice(got))
    np.testing.assert_allclose(stays.numerical, expected.numerical, rtol=1e-6)
    np.testing.assert_array_equal(stays.labels, expected.labels)


def test_no_more_row_groups_are_read_than_are_needed(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, read_row_group = list[int](), pq.ParquetFile.read_row_group

    def spy(file: pq.ParquetFile, number: int) -> object:
        read.append(number)
        return read_row_group(file, number)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", spy)
    assert len(read_cohort(written, SCHEMA, n_stays=30)) == 30
    assert read == [0, 1]


def test_a_cohort_of_another_schema_is_refused(written: Path) -> None:
    with pytest.raises(DataError, match="column 'patient' is missing"):
        read_cohort(written, SCHEMA.model_copy(update={"stay_id": "patient"}), n_stays=5)


def test_stays_that_are_longer_than_the_schema_says_are_not_cut_apart(written: Path) -> None:
    shorter = SCHEMA.model_copy(update={"sequence_length": 4})
    stays = read_cohort(written, shorter, n_stays=25)
    assert stays.numerical.shape[:2] == (25, 4)
    assert not np.isnan(stays.numerical[:, :, 0]).any()


def test_stays_that_end_early_have_no_rows_after_their_end_and_read_back_as_long(
    tmp_path: Path, group_per_chunk: None
) -> None:
    schema = SCHEMA.model_copy(update={"variable_length": True})
    arranged = arrange(made_up_stays(30), schema)
    lengths = np.random.default_rng(0).integers(1, schema.sequence_length + 1, 30)
    stays = dataclasses.replace(arranged.stays, lengths=lengths).ended()
    path, parts = tmp_path / "cohort.parquet", [stays.take(slice(0, 20)), stays.take(slice(20, 30))]
    list(write_cohort(parts, path, schema=schema, layout=arranged.layout, metadata={}))
    assert group_rows(path) == [lengths[:20].sum(), lengths[20:].sum()]
    back = read_cohort(path, schema, n_stays=25)
    np.testing.assert_array_equal(back.n_steps, lengths[:25])
    np.testing.assert_array_equal(back.observed, stays.observed[:25])
