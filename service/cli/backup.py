"""`cdmt backup` and `cdmt restore`: the data folder as one file."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, Annotated

import typer

from service.backup import restore_backup, write_backup
from service.cli.online import DataDir, settings
from service.cli.show import notice
from service.contracts.durable import sync_folder

STREAM = Path("-")


def backup(
    out: Annotated[Path, typer.Argument(help="The file to write; -: to standard output.")], *, data_dir: DataDir = None
) -> None:
    """Copy the data folder into one file; the service may run. Keys that files hold are not in it, nor is the queue."""
    chosen = settings(data_dir=data_dir)
    with _sink(out) as target:
        n_files = write_backup(chosen, target)
    notice(f"{n_files} files of {chosen.data_dir.absolute()} are in the backup.")


def restore(
    backup_file: Annotated[
        Path, typer.Argument(metavar="IN", help="What `cdmt backup` has written; -: standard input.")
    ],
    *,
    data_dir: DataDir = None,
) -> None:
    """Put a backup into a new data folder. Stop the service before, and start it afterwards."""
    chosen = settings(data_dir=data_dir)
    with nullcontext(sys.stdin.buffer) if backup_file == STREAM else backup_file.open("rb") as source:
        n_files = restore_backup(chosen, source)
    notice(f"{n_files} files are in {chosen.data_dir.absolute()}. Now: cdmt audit verify, cdmt keys list")


@contextmanager
def _sink(out: Path) -> Iterator[IO[bytes]]:
    """Where a backup goes: a file for its owner's eyes, which is there once it is whole; or standard output."""
    if out == STREAM:
        yield sys.stdout.buffer
        sys.stdout.flush()
        return
    beside = out.with_name(f".{out.name}.partial")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(out)
    finally:
        beside.unlink(missing_ok=True)
    sync_folder(out.absolute().parent)
