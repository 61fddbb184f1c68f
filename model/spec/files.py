"""How files with patients' data, or what was learned from them, are read and written: plain, or as a caller wants."""

from __future__ import annotations

import os
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, Literal, Protocol


class Source(Protocol):
    """Something to read from, such as a path."""

    def open(self, mode: Literal["rb"], /) -> BufferedReader:
        """Its content from the beginning, which can be read in any order."""


class Files(Protocol):
    """Reads and writes whole files. What one writes, the same one reads."""

    def source(self, path: Path) -> Source:
        """The content of a file."""

    def create(self, path: Path) -> BinaryIO:
        """A new file to write from the beginning to the end."""

    def write(self, path: Path, content: bytes) -> None:
        """Replace a file in one step."""


class PlainFiles:
    """Files as they are."""

    def source(self, path: Path) -> Source:
        """The file itself."""
        return path

    def create(self, path: Path) -> BinaryIO:
        """The file itself; FileExistsError."""
        return path.open("xb")

    def write(self, path: Path, content: bytes) -> None:
        """Write beside it, fsync, rename: a reader never sees half a file."""
        beside = path.with_name(f".{path.name}.partial")
        try:
            with beside.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)  # on a full disk, its room is wanted for the news of it


PLAIN = PlainFiles()
