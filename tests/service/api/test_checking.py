"""Large tables are checked in a process of their own, small ones in the gateway's; nobody can tell by the answer."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from model.spec.errors import DataError
from model.spec.files import PLAIN
from service.api import checking
from service.api.checking import check_upload
from service.contracts.settings import Settings
from tests.service.api.test_bad_input import check_problem
from tests.service.making import SCHEMA, parquet, table


def uploaded(folder: Path, content: bytes) -> Path:
    path = folder / "upload"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("given", [True, False])
def test_a_large_table_is_checked_as_a_small_one_is(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch, given: bool
) -> None:
    schema = SCHEMA if given else None
    found = []
    for small_bytes in (2**40, 0):
        monkeypatch.setattr(checking, "SMALL_BYTES", small_bytes)
        source, target = uploaded(tmp_path, table().to_csv(index=False).encode()), tmp_path / f"table-{small_bytes}"
        found.append((check_upload(source, target, schema=schema, settings=settings, files=PLAIN), target.read_bytes()))
        assert not source.exists()
    assert found[0] == found[1]
    assert found[0][0].summary.n_stays == 40


def test_what_is_wrong_with_a_table_that_is_checked_apart_is_told(tmp_path: Path, settings: Settings) -> None:
    source = uploaded(tmp_path, parquet(table().drop(columns="heart_rate")))
    with pytest.raises(DataError, match="column 'heart_rate' is missing") as caught:
        check_upload(source, tmp_path / "table", schema=SCHEMA, settings=settings, files=PLAIN)
    assert caught.value.column == "heart_rate"


def test_a_table_that_the_memory_does_not_hold_is_refused(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.data.room.available_memory", lambda: 1000)
    answer = client.post("/datasets", files={"file": ("t", table().to_csv(index=False).encode())})
    check_problem(answer, 413)
    assert "of memory, of which" in answer.json()["detail"]
