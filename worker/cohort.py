"""A cohort as a Parquet file, written chunk by chunk as it is drawn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from model.checkpoint import Model
from model.data.frame import arrow_schema, to_table
from model.data.layout import TableLayout
from model.data.stays import Stays
from model.spec.schema import Schema

COMPRESSION, COMPRESSION_LEVEL = "zstd", 3  # fixed: the same cohort is the same bytes
CHUNK_CPU, CHUNK_GPU = 256, 8192
"""Stays drawn at a time: on a CPU small chunks stay in its cache; a GPU wants to be filled."""


def default_chunk_size(model: Model) -> int:
    """Stays to draw at a time on the model's device."""
    return CHUNK_GPU if is_on_gpu(model) else CHUNK_CPU


def is_on_gpu(model: Model) -> bool:
    """Whether the model draws on a GPU."""
    return model.denoiser.embedding.weight.device.type == "cuda"


def write_cohort(
    chunks: Iterable[Stays], path: Path, *, schema: Schema, layout: TableLayout, metadata: Mapping[str, str]
) -> Iterator[Stays]:
    """Write each chunk as one row group, stays numbered from 0 on, and pass it on; the file is whole at the end."""
    target = arrow_schema(layout).with_metadata(dict(metadata))
    first = 0
    with pq.ParquetWriter(path, target, compression=COMPRESSION, compression_level=COMPRESSION_LEVEL) as writer:
        for stays in chunks:
            table = to_table(stays, schema, layout, first_stay=first).replace_schema_metadata(target.metadata)
            writer.write_table(table, row_group_size=max(1, table.num_rows))
            first += len(stays)
            yield stays


def concatenate(parts: list[Stays]) -> Stays:
    """The stays of all parts, at least one, in order."""
    return Stays(
        numerical=np.concatenate([part.numerical for part in parts]),
        categorical=np.concatenate([part.categorical for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
    )
