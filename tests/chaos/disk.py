"""A file system of our own that can be filled; where we may not mount one, a limit on the size of files."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil

from tests.chaos.stack import Stack

SIZE = "96m"
FILE_BYTES = 8192
BALLAST = "ballast"


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """`folder`, made, and a small tmpfs if we may mount one."""
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        mounted = False
    try:
        yield folder
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def full_disk(stack: Stack) -> Iterator[None]:
    """No byte can be written in the store while this lasts."""
    root = stack.store.root
    with ExitStack() as until_then:
        if os.path.ismount(root):
            until_then.callback((root / BALLAST).unlink)
            fill(root / BALLAST)
        else:
            for process in [member.horse() for member in stack.workers_of("generate")]:
                if process is not None:
                    until_then.enter_context(limited(process))
        yield


def fill(path: Path) -> None:
    """Grow a file until the disk is full."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))


@contextmanager
def limited(process: psutil.Process) -> Iterator[None]:
    """A process that cannot make a file longer than FILE_BYTES."""
    with suppress(psutil.Error):
        process.rlimit(psutil.RLIMIT_FSIZE, (FILE_BYTES, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        with suppress(psutil.Error):
            process.rlimit(psutil.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
