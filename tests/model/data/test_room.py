from __future__ import annotations

from pathlib import Path

import pytest

from model.data import room
from model.data.readers import read_table
from model.spec.errors import TableTooLarge
from tests.worker.tables import made_up_stays


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with 4 GiB left and no control groups."""
    meminfo, group = tmp_path / "meminfo", tmp_path / "cgroup"
    meminfo.write_text("MemTotal:       16777216 kB\nMemFree:         1048576 kB\nMemAvailable:    4194304 kB\n")
    group.mkdir()
    monkeypatch.setattr(room, "_MEMINFO", meminfo)
    monkeypatch.setattr(room, "_CGROUP", group)
    return group


def limit(group: Path, maximum: str, *, current: int, cache: int = 0) -> None:
    (group / "memory.max").write_text(f"{maximum}\n")
    (group / "memory.current").write_text(f"{current}\n")
    (group / "memory.stat").write_text(f"anon {current - cache}\ninactive_file {cache}\n")


def test_what_the_machine_has_left(machine: Path) -> None:
    assert room.available_memory() == 4 * 2**30
    limit(machine, "max", current=123)
    assert room.available_memory() == 4 * 2**30


def test_a_container_may_have_less(machine: Path) -> None:
    limit(machine, str(3 * 2**30), current=2 * 2**30)
    assert room.available_memory() == 2**30
    limit(machine, str(3 * 2**30), current=2 * 2**30, cache=2**29)
    assert room.available_memory() == 2**30 + 2**29
    limit(machine, str(2**30), current=2**31)
    assert room.available_memory() == 0


def test_a_table_must_fit(machine: Path) -> None:
    fits = 4 * 2**30 // (10 * room.BYTES_PER_CELL)
    room.check_room(fits, 10, 0)
    with pytest.raises(TableTooLarge, match=r"14,316,558 rows of 10 columns.* about 4\.0 GiB .* 4\.0 GiB are free"):
        room.check_room(fits + 1, 10, 0)
    room.check_room(1, 2, 2**30)
    with pytest.raises(TableTooLarge, match=r"1 rows of 2 columns.* about 8\.0 GiB"):
        room.check_room(1, 2, 2**31)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_table_without_room_is_not_read(tmp_path: Path, machine: Path, kind: str) -> None:
    frame, path = made_up_stays(100), tmp_path / f"table.{kind}"
    frame.to_csv(path, index=False) if kind == "csv" else frame.to_parquet(path, index=False)
    assert len(read_table(path, max_rows=1000)) == 600
    limit(machine, "1000000", current=995_000)
    with pytest.raises(TableTooLarge, match=r"60[01] rows of 7 columns"):
        read_table(path, max_rows=1000)
