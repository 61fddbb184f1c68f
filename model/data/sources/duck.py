"""DuckDB within limits: raw files are scanned out of core, and what goes wrong is said without quoting a row."""

from __future__ import annotations

import re
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from model.data.sources.options import Resources
from model.data.sources.raw_files import RawFile
from model.spec.errors import DataError

Progress = Callable[[str, int, int], None]

POLL_SECONDS = 1.0
WHOLE = 100
TRUNCATED = re.compile(r"end of gzip|gzip|compress|inflate", re.IGNORECASE)
NO_ROOM = re.compile(r"no space left", re.IGNORECASE)
NOT_UTF8 = re.compile(r"invalid unicode", re.IGNORECASE)
LINE = re.compile(r"CSV Error on Line: (\d+)")
COLUMN = re.compile(r'converting column "([^"\n]*)"')
FILE = re.compile(r"^ *file = (.+)$", re.MULTILINE)


class Duck:
    """A DuckDB of its own, in memory and a temporary folder. Made by `open_duck`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, progress: Progress) -> None:
        self._connection = connection
        self._progress = progress

    def run(self, sql: str, *, reads: str = "its files") -> None:
        """Run a statement; DataError says what is wrong with the file that it `reads`."""
        self._execute(sql, reads=reads)

    def scan(self, sql: str, *, reads: str) -> None:
        """Run a statement that takes long, and tell how much of it is done."""
        with self._told(f"reading {reads}"):
            self.run(sql, reads=reads)

    def numbers(self, sql: str) -> tuple[int, ...]:
        """The first row of a query's answer, which must be whole numbers."""
        row = self._execute(sql).fetchone()
        assert row is not None
        return tuple(int(value) for value in row)

    def pairs(self, sql: str) -> list[tuple[int, int]]:
        """The answer to a query for pairs of whole numbers."""
        return [(int(a), int(b)) for a, b in self._execute(sql).fetchall()]

    def counts(self, sql: str) -> dict[str, int]:
        """The answer to a query for names and numbers."""
        return {str(name): int(count) for name, count in self._execute(sql).fetchall()}

    def table(self, sql: str) -> pa.Table:
        """The whole answer to a query."""
        with _explained("the means"):
            return self._connection.sql(sql).to_arrow_table()

    def _execute(self, sql: str, *, reads: str = "its files") -> duckdb.DuckDBPyConnection:
        with _explained(reads):
            return self._connection.execute(sql)

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        done = threading.Event()

        def tell() -> None:
            while not done.wait(POLL_SECONDS):
                self._progress(what, max(0, min(WHOLE - 1, int(self._connection.query_progress()))), WHOLE)

        self._progress(what, 0, WHOLE)
        teller = threading.Thread(target=tell, name="import-progress", daemon=True)
        teller.start()
        try:
            yield
        finally:
            done.set()
            teller.join()
        self._progress(what, WHOLE, WHOLE)


@contextmanager
def _explained(reads: str) -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        raise DataError(explain(error, reads)) from None
    except RuntimeError as error:
        # A signal's handler raised KeyboardInterrupt in the midst of the query, and DuckDB makes this of it.
        if "interrupted" in str(error).lower():
            raise KeyboardInterrupt from None
        raise


@contextmanager
def open_duck(resources: Resources, *, beside: Path, progress: Progress) -> Iterator[Duck]:
    """A DuckDB that keeps to `resources`; what it puts on the disk lies in or `beside`, and is removed at the end."""
    place = resources.temporary or beside
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".cdmt-import-", dir=place) as folder:
        options: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": f"{resources.memory}MiB",
            "temp_directory": folder,
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        if resources.threads is not None:
            options["threads"] = resources.threads
        connection = duckdb.connect(":memory:", config=options)
        try:
            connection.execute("SET enable_progress_bar = true; SET enable_progress_bar_print = false")
            yield Duck(connection, progress)
        finally:
            connection.close()


def csv_rows(file: RawFile) -> str:
    """SQL that reads a raw file: the columns of its header in lower case, as text but for those that are asked for."""
    return read_csv([file.path], {name: file.types.get(name, "VARCHAR") for name in file.header})


def read_csv(paths: Sequence[Path], types: Mapping[str, str]) -> str:
    """SQL that reads CSV files with the same columns, plain or gzip, and adds the column `filename`."""
    files = ", ".join(quoted(_literal(path)) for path in paths)
    columns = ", ".join(f"{quoted(name)}: {quoted(kind)}" for name, kind in types.items())
    return (
        f"read_csv([{files}], columns={{{columns}}}, auto_detect=false, header=true, delim=',', quote='\"', "
        "escape='\"', nullstr='', filename=true)"
    )


def wrong_value(column: str) -> str:
    """SQL of the message for a value of `read_csv` that is not what it must be, in the words that `explain` knows."""
    return f"""'converting column "{column}"' || chr(10) || 'file = ' || filename"""


def quoted(text: str) -> str:
    """`text` as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def _literal(path: Path) -> str:
    """The path with the characters that would make a pattern of it taken as they are."""
    return re.sub(r"([*?\[])", r"[\1]", str(path))


def explain(error: duckdb.Error, reads: str) -> str:
    """What an error means, for somebody who may not see a row: DuckDB's own message quotes the one at fault."""
    text = str(error)
    if isinstance(error, duckdb.OutOfMemoryException):
        return f"reading {reads} needs more memory, or more room for temporary files, than it was given"
    if NO_ROOM.search(text):
        return f"reading {reads}: no room is left on the disk for temporary files"
    line, column, file = LINE.search(text), COLUMN.search(text), FILE.search(text)
    if file is not None:
        reads = Path(file[1]).name
    if NOT_UTF8.search(text):
        return f"{reads}: line {line[1] if line else '?'} is not text in UTF-8"
    if column is not None:
        place = f"line {line[1]}, " if line else ""
        return f"{reads}: {place}column '{column[1]}': not a value of the expected type"
    if isinstance(error, duckdb.ConversionException):
        return f"{reads}: not a value of the expected type"
    if line is not None:
        return f"{reads}: line {line[1]} cannot be read: more or fewer values than the header has, or a quote left open"
    if TRUNCATED.search(text):
        return f"{reads}: the file is truncated or damaged; fetch it again and compare its checksum"
    return f"{reads} cannot be read ({type(error).__name__})"
