"""A cohort as a Parquet file, written chunk by chunk as it is drawn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from model.checkpoint import Model
from model.data.arrange import arrange
from model.data.arrow import to_pandas
from model.data.frame import arrow_schema, to_table
from model.data.layout import TableLayout
from model.data.stays import Stays
from model.diffusion.denoiser import Denoiser
from model.spec.errors import DataError
from model.spec.schema import Schema

COMPRESSION, COMPRESSION_LEVEL = "zstd", 3  # fixed: the same cohort is the same bytes
GROUP_ROWS = 100_000
"""Chunks are put together until a row group has so many rows: many small ones make the file large and slow to read."""
CHUNK_CPU, CHUNK_GPU = 384, 8192
"""Stays drawn at a time: on a CPU a few blocks of the fused engine for each thread; a GPU wants to be filled."""
MEMORY_SHARE = 0.5


def default_chunk_size(model: Model) -> int:
    """Stays to draw at a time on the model's device.

    On a GPU half of its memory must hold them. It counts all of the memory, not what is free at the moment: a cohort's
    bytes depend on the size of its chunks, and a chunk that does not fit is drawn in halves.
    """
    if not is_on_gpu(model):
        return CHUNK_CPU
    device = model.denoiser.embedding.weight.device
    memory = int(MEMORY_SHARE * torch.cuda.get_device_properties(device).total_memory)
    return chunk_that_fits(memory, bytes_of_a_stay(model.denoiser))


def chunk_that_fits(memory: int, stay: int) -> int:
    """The largest power of two of stays, of `stay` bytes each, that fits `memory` bytes; CHUNK_GPU at most."""
    return min(CHUNK_GPU, 1 << max(0, (memory // stay).bit_length() - 1))


def bytes_of_a_stay(denoiser: Denoiser) -> int:
    """What a sampler holds of a stay, from above: about ten states, and six of what goes between the layers."""
    width = denoiser.network.outputs.in_features
    return 4 * denoiser.dimensions.sequence_length * (10 * denoiser.state_dim + 6 * width)


def is_on_gpu(model: Model) -> bool:
    """Whether the model draws on a GPU."""
    return model.denoiser.embedding.weight.device.type == "cuda"


class _RowGroups:
    """Puts chunks together into row groups: no stay is divided, and a group is GROUP_ROWS long or longer (ADR 0015)."""

    def __init__(self, writer: pq.ParquetWriter) -> None:
        self._writer = writer
        self._tables: list[pa.Table] = []

    def add(self, table: pa.Table) -> None:
        """The rows of one more chunk."""
        self._tables.append(table)
        if sum(part.num_rows for part in self._tables) >= GROUP_ROWS:
            self.finish()

    def finish(self) -> None:
        """Write what has been put together."""
        if self._tables:
            group = pa.concat_tables(self._tables)
            self._writer.write_table(group, row_group_size=max(1, group.num_rows))
            self._tables = []


def write_cohort(
    chunks: Iterable[Stays], path: Path, *, schema: Schema, layout: TableLayout, metadata: Mapping[str, str]
) -> Iterator[Stays]:
    """Write the chunks in row groups, stays numbered from 0 on, and pass each on; the file is whole at the end.

    A chunk is written while the next one is drawn, and never more than one at a time.
    """
    target = arrow_schema(layout).with_metadata(dict(metadata))
    with (
        pq.ParquetWriter(path, target, compression=COMPRESSION, compression_level=COMPRESSION_LEVEL) as writer,
        ThreadPoolExecutor(1, thread_name_prefix="cohort") as beside,
    ):
        groups = _RowGroups(writer)

        def write(stays: Stays, first: int) -> None:
            groups.add(to_table(stays, schema, layout, first_stay=first).replace_schema_metadata(target.metadata))

        first, written = 0, None
        for stays in chunks:
            if written is not None:
                written.result()
            written = beside.submit(write, stays, first)
            first += len(stays)
            yield stays
        if written is not None:
            written.result()
        groups.finish()


def read_cohort(path: Path, schema: Schema, *, n_stays: int) -> Stays:
    """The first `n_stays` stays of a cohort that `write_cohort` wrote; only the row groups that hold them are read.

    DataError where the cohort was made with another schema, which does not match.
    """
    wanted: set[object] = set()
    parts = []
    with pq.ParquetFile(path) as file:
        if schema.stay_id not in file.schema_arrow.names:
            raise DataError(f"column '{schema.stay_id}' is missing", column=schema.stay_id)
        for number in range(file.num_row_groups):
            if len(wanted) >= n_stays:
                break
            part = to_pandas(file.read_row_group(number))
            ids = part[schema.stay_id].unique()[: n_stays - len(wanted)]
            wanted |= set(ids.tolist())
            parts.append(part[part[schema.stay_id].isin(ids)])
    return arrange(pd.concat(parts, ignore_index=True), synthetic_schema(schema), one_class=True).stays


def synthetic_schema(schema: Schema) -> Schema:
    """The schema of a synthetic table, in which nobody is a patient of several stays."""
    return schema.model_copy(update={"patient_id": None})
