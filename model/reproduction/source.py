"""The real stays of a reproduction: read, split once and for all, and what names them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.data.arrange import arrange
from model.data.codec import Codec
from model.data.inference import infer_schema
from model.data.readers import read_table
from model.data.split import split
from model.data.stays import Stays
from model.spec.errors import DataError
from model.spec.schema import Schema

HOLDOUT_FRACTION, SPLIT_SEED = 0.2, 0
NO_LIMIT = 2**62


@dataclass(frozen=True)
class Source:
    """Training and holdout stays, the codec of the former, and the SHA-256 of the file that both come from."""

    train: Stays
    holdout: Stays
    codec: Codec
    sha256: str

    @property
    def schema(self) -> Schema:
        """What the table contains."""
        return self.codec.schema


def read_source(table: Path) -> Source:
    """The stays of a Parquet or CSV file; the split is by patient where patients are known, and always the same.

    Raises DataError, SchemaError, TrainingError.
    """
    frame = read_table(table, max_columns=NO_LIMIT, max_rows=NO_LIMIT, max_bytes=NO_LIMIT)
    schema = infer_schema(frame)
    if not schema.labels:
        raise DataError(f"{table.name} has no column that looks like an outcome, and the tables are about one")
    sides = split(arrange(frame, schema).stays, holdout_fraction=HOLDOUT_FRACTION, seed=SPLIT_SEED)
    return Source(sides.train, sides.holdout, Codec.fit(sides.train, schema), file_sha256(table))


def file_sha256(path: Path) -> str:
    """The digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def balanced(stays: Stays, *, seed: int) -> Stays:
    """As many stays of each category of the first label as the rarest has: what equal counts are compared with.

    Drawn without replacement: a stay that came twice would be known again by whoever tells real from synthetic.
    """
    codes, rng = stays.labels[:, 0], np.random.default_rng(seed)
    present, counts = np.unique(codes, return_counts=True)
    chosen = [rng.permutation(np.flatnonzero(codes == code))[: counts.min()] for code in present]
    return stays.take(np.sort(np.concatenate(chosen)))
