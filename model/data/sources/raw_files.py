"""The raw files of a source: found whatever their case and packing, with the columns that their headers name."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from model.spec.errors import DataError

HEADER_BYTES = 2**16
PACKED = (".gz", "")


@dataclass(frozen=True)
class RawFile:
    """A CSV file, the names in its header, and the SQL types of those that are read."""

    path: Path
    header: tuple[str, ...]
    types: Mapping[str, str]

    @property
    def name(self) -> str:
        """The file's name, for messages."""
        return self.path.name


def find_folder(folder: Path) -> Path:
    """The folder itself; DataError if there is none."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    return folder


def find_file(folder: Path, name: str, *, hint: Mapping[str, str]) -> Path:
    """`<name>.gz` or `<name>` in `folder`, in any case; where both are there, the packed one, which is the source's.

    DataError says which names were looked for. `hint`: the beginnings of other names, in lower case, and what it means
    to find them.
    """
    there = {path.name.lower(): path for path in sorted(find_folder(folder).iterdir()) if path.is_file()}
    for suffix in PACKED:
        if name.lower() + suffix in there:
            return there[name.lower() + suffix]
    reasons = [text for start, text in hint.items() if any(found.startswith(start) for found in there)]
    looked_for = f"neither {name}.gz nor {name} (in upper or lower case)"
    raise DataError("; ".join([f"{folder}: {looked_for} is there", *reasons]))


def open_raw(path: Path, types: Mapping[str, str], *, hint: Mapping[str, str]) -> RawFile:
    """Read the header of a CSV file, plain or gzip; columns are compared in lower case, extra ones ignored.

    DataError names a column that is missing. `hint`: the names of other columns, and what it means to find them.
    """
    header = tuple(name.strip().lower() for name in _first_row(path))
    missing = [name for name in types if name not in header]
    if missing:
        reasons = [text for name, text in hint.items() if name in header]
        message = "; ".join([f"{path.name}: it has no column '{missing[0]}'", *reasons])
        raise DataError(message, column=missing[0])
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise DataError(f"{path.name}: column '{twice[0]}' is there more than once", column=twice[0])
    return RawFile(path, header, types)


def _first_row(path: Path) -> Sequence[str]:
    text = _start(path)
    if not text.strip():
        raise DataError(f"{path.name}: the file is empty")
    try:
        return next(csv.reader(io.StringIO(text, newline="")), [])
    except csv.Error:
        raise DataError(f"{path.name}: its first line is no header of a CSV file") from None


def _start(path: Path) -> str:
    packed = path.suffix.lower() == ".gz"
    try:
        with gzip.open(path, "rb") if packed else path.open("rb") as file:
            line = file.readline(HEADER_BYTES)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise DataError(f"{path.name}: the file is truncated or no gzip file; fetch it again") from None
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path.name}: its first line is no header of a CSV file") from None
