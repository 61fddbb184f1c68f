from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from model.data.sources import duck
from model.data.sources.duck import csv_rows, open_duck
from model.data.sources.options import Resources
from model.data.sources.raw_files import open_raw
from model.spec.errors import DataError
from tests.model.data.sources.raw import silent, write

SMALL = Resources(memory=256, threads=1)
MOST = 1200  # MiB, of a process that lets DuckDB have 256 and has pandas and pyarrow loaded


@pytest.mark.parametrize("name", ["it's.csv", "a[1]*.csv", "a?b.csv"])
def test_a_path_is_taken_as_it_is(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "the 'raw' [files]", name, "A,B\n1,2\n", packed=False)
    write(path.parent, "a1x.csv", "A,B\n3,4\n", packed=False)
    file = open_raw(path, {"a": "INTEGER"}, hint={})
    with open_duck(SMALL, beside=tmp_path, progress=silent) as opened:
        assert opened.numbers(f"SELECT sum(a), count(*) FROM {csv_rows(file)}") == (1, 1)


def test_quotes_line_breaks_and_empty_fields_are_read_as_csv_has_them(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", 'A,"B"\n1,"say ""hello"",\nthen go"\n,""\n')
    file = open_raw(path, {"a": "INTEGER"}, hint={})
    with open_duck(SMALL, beside=tmp_path, progress=silent) as opened:
        assert opened.numbers(f"SELECT count(*), count(a), sum(length(b)) FROM {csv_rows(file)}") == (2, 1, 20)


def test_text_of_another_encoding_is_said(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "A,B\n1,x\n", packed=False)
    path.write_bytes("A,B\n1,\xe9\n".encode("latin-1"))
    file = open_raw(path, {}, hint={})
    with open_duck(SMALL, beside=tmp_path, progress=silent) as opened, pytest.raises(DataError) as told:
        opened.run(f"CREATE TABLE t AS FROM {csv_rows(file)}", reads=file.name)
    assert str(told.value) == "a.csv: line 2 is not text in UTF-8"


def test_too_little_memory_is_said(tmp_path: Path) -> None:
    with open_duck(SMALL, beside=tmp_path, progress=silent) as opened, pytest.raises(DataError) as told:
        opened.run("SELECT list(i) FROM range(100000000) t(i)", reads="a.csv")
    assert str(told.value) == "reading a.csv needs more memory, or more room for temporary files, than it was given"


def test_progress_is_told_from_none_to_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duck, "POLL_SECONDS", 0.01)
    told: list[tuple[str, int, int]] = []
    with open_duck(SMALL, beside=tmp_path, progress=lambda *step: told.append(step)) as opened:
        opened.scan("SELECT sum(sqrt(i)) FROM range(20000000) t(i)", reads="a.csv")
    assert told[0] == ("reading a.csv", 0, 100)
    assert told[-1] == ("reading a.csv", 100, 100)
    done = [value for _, value, _ in told]
    assert done == sorted(done)
    assert len(done) > 2


@pytest.fixture
def heeds_ctrl_c() -> Iterator[None]:
    """SIGINT raises KeyboardInterrupt, which a process of pytest-xdist has turned off."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeds_ctrl_c")
def test_a_signal_ends_a_query_as_it_ends_any_other_work(tmp_path: Path) -> None:
    with open_duck(SMALL, beside=tmp_path, progress=silent) as opened:
        threading.Timer(0.2, signal.raise_signal, [signal.SIGINT]).start()
        with pytest.raises(KeyboardInterrupt):
            opened.run("SELECT sum(sqrt(a.i * b.i)) FROM range(1000000) a(i), range(1000000) b(i)")


def test_temporary_files_are_put_where_they_are_wanted_and_removed(tmp_path: Path) -> None:
    resources = Resources(memory=256, threads=1, temporary=tmp_path / "temporary")
    with open_duck(resources, beside=tmp_path, progress=silent):
        assert [path.name for path in tmp_path.iterdir()] == ["temporary"]
        assert len(list((tmp_path / "temporary").iterdir())) == 1
    assert not list((tmp_path / "temporary").iterdir())


# VmHWM and not ru_maxrss, which has the size of the process that started this one, too.
SPILL = """
import re, sys
from pathlib import Path
from model.data.sources.duck import open_duck
from model.data.sources.options import Resources

with open_duck(Resources(memory=256, threads=1), beside=Path(sys.argv[1]), progress=lambda *_: None) as opened:
    opened.run("CREATE TEMP TABLE t AS SELECT DISTINCT i, hash(i) AS j, sqrt(i) AS k FROM range(15000000) r(i)")
    assert opened.numbers("SELECT count(*) FROM t") == (15_000_000,)
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""


def test_what_the_memory_does_not_hold_goes_to_the_disk(tmp_path: Path) -> None:
    """15 million distinct rows of 24 bytes, 360 MB, within 256 MiB."""
    command = [sys.executable, "-c", SPILL, str(tmp_path)]
    peak = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert int(peak) < MOST
