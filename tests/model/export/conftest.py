from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from model.export.cohort import Cohort
from model.export.formats import Target, export_parts
from tests.model.export.made_up import write


@pytest.fixture
def cohort(tmp_path: Path) -> Iterator[Cohort]:
    """The three stays."""
    with pq.ParquetFile(write(tmp_path / "cohort.parquet")) as file:
        yield Cohort(file)


def exported(cohort: Cohort, target: Target) -> bytes:
    """The whole file."""
    return b"".join(export_parts(cohort, target))


def unpacked(cohort: Cohort, target: Target, folder: Path) -> Path:
    """The folder with the files of an archive."""
    with zipfile.ZipFile(io.BytesIO(exported(cohort, target))) as archive:
        assert archive.testzip() is None
        archive.extractall(folder)
    return folder
