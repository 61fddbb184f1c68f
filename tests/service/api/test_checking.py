"""Large tables are checked in a process of their own, small ones in the gateway's; nobody can tell by the answer."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import httpx
import pytest

from model.spec.errors import DataError, TableTooLarge
from model.spec.files import PLAIN
from service.api import checking
from service.api.checking import check_upload, run_apart
from service.contracts.settings import Settings
from tests.service.api.test_bad_input import check_problem
from tests.service.making import SCHEMA, SECRET, parquet, table


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
        source, target = uploaded(tmp_path, parquet(table())), tmp_path / f"table-{small_bytes}"
        found.append((check_upload(source, target, schema=schema, settings=settings, files=PLAIN), target.read_bytes()))
        assert not source.exists()
    assert found[0] == found[1]
    assert found[0][0].summary.n_stays == 40


def test_what_is_wrong_with_a_large_table_is_told(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "SMALL_BYTES", 0)
    source = uploaded(tmp_path, parquet(table().drop(columns="heart_rate")))
    with pytest.raises(DataError, match="column 'heart_rate' is missing") as caught:
        check_upload(source, tmp_path / "table", schema=SCHEMA, settings=settings, files=PLAIN)
    assert caught.value.column == "heart_rate"


def test_a_process_that_is_killed_for_its_memory_takes_nobody_along() -> None:
    with pytest.raises(TableTooLarge, match="more memory than there is"):
        run_apart(_die, log_level="info")


def _die() -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def _fail() -> int:
    return int(f"{SECRET}")


def test_an_error_that_nobody_foresaw_quotes_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="could not be checked") as caught:
        run_apart(_fail, log_level="info")
    told = "".join(capfd.readouterr())
    assert "ValueError" in told
    assert str(SECRET) not in told + str(caught.value)


def test_a_table_that_the_memory_does_not_hold_is_refused(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.data.room.available_memory", lambda: 1000)
    answer = client.post("/datasets", files={"file": ("t", parquet(table()))})
    check_problem(answer, 413)
    assert "of memory, of which" in answer.json()["detail"]
