"""Small Parquet files that unfold to much, or say what is not so: refused, in time, without the gateway's memory."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

import httpx
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from service.contracts.storage import ArtifactStore
from tests.service.api.test_bad_input import check_problem, nothing_is_left, upload
from tests.service.making import parquet, table

ROWS = 100_000
MEBIBYTE = 2**20


def written(columns: dict[str, object]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, compression="zstd", store_schema=False)
    return buffer.getvalue()


def one_value_many_times(value: str | bytes) -> bytes:
    """In every row the same 50,000 bytes, which are in the file once: 5 GB in 16 KB."""
    return written({**_keys(), "x": pa.DictionaryArray.from_arrays(np.zeros(ROWS, np.int32), pa.array([value]))})


def _keys() -> dict[str, object]:
    return {"stay": np.arange(ROWS) // 20, "hour": np.tile(np.arange(20), ROWS // 20)}


def too_many_rows() -> bytes:
    return written({name: np.zeros(50_000_001, np.int8) for name in ("stay", "hour", "x")})


def nested() -> bytes:
    deep: object = 1
    for _ in range(5):
        deep = [deep]
    return written({"stay": [1], "hour": [0], "x": [deep]})


def many_columns() -> bytes:
    return written({f"c{n}": [0] for n in range(5_000)})


def many_groups() -> bytes:
    buffer = io.BytesIO()
    rows = pa.table({"stay": [1], "hour": [0], "x": [0.0]})
    with pq.ParquetWriter(buffer, rows.schema) as writer:
        for _ in range(5_000):
            writer.write_table(rows)
    return buffer.getvalue()


def with_footer_of(n_bytes: int) -> bytes:
    content = parquet(table())
    return content[:-8] + struct.pack("<I", n_bytes) + b"PAR1"


def with_noise_for_a_footer() -> bytes:
    noise = np.random.default_rng(0).bytes(100_000)
    return b"PAR1" + noise + struct.pack("<I", len(noise)) + b"PAR1"


BOMBS: dict[str, tuple[Callable[[], bytes], int, str]] = {
    "one text many times": (lambda: one_value_many_times("x" * 50_000), 413, "memory"),
    "the same bytes many times": (lambda: one_value_many_times(b"x" * 50_000), 413, "memory"),
    "too many rows": (too_many_rows, 422, "at most 50000000"),
    "nested types": (nested, 422, "only plain columns"),
    "too many columns": (many_columns, 422, "at most 100"),
    "many groups": (many_groups, 422, "stay"),
    "a footer larger than the file": (lambda: with_footer_of(2**32 - 1), 422, "damaged"),
    "a footer of nothing": (lambda: with_footer_of(0), 422, "damaged"),
    "a footer of noise": (with_noise_for_a_footer, 422, "damaged"),
}


@pytest.mark.parametrize("what", BOMBS)
def test_a_bomb_is_refused_and_the_gateway_lives(client: httpx.Client, store: ArtifactStore, what: str) -> None:
    make, status, culprit = BOMBS[what]
    content = make()
    assert len(content) < 3 * MEBIBYTE
    before = psutil.Process().memory_info().rss
    check_problem(upload(client, content), status, culprit)
    assert psutil.Process().memory_info().rss - before < 200 * MEBIBYTE
    assert nothing_is_left(client, store)
