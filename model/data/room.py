"""Whether the memory has room for a table, asked before it is read."""

from __future__ import annotations

from pathlib import Path

from model.spec.errors import TableTooLarge

BYTES_PER_CELL = 30
"""What reading, checking and arranging take at their peak; measured for numbers from a CSV: 25 (docs/speed.md)."""
BYTES_PER_BYTE = 4
"""The same for text, which may be longer than a number: of the unpacked columns, or of the CSV file."""

_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")


def check_room(n_rows: int, n_columns: int, n_bytes: int) -> None:
    """TableTooLarge where a table of so many rows, columns and bytes, unpacked, would exhaust the memory."""
    needed, free = needed_memory(n_rows, n_columns, n_bytes), available_memory()
    if needed > free:
        raise TableTooLarge(
            f"the table has {n_rows:,} rows of {n_columns} columns: to check it takes about {_gib(needed)} of memory, "
            f"of which {_gib(free)} are free"
        )


def needed_memory(n_rows: int, n_columns: int, n_bytes: int) -> int:
    """Bytes that reading, checking and arranging such a table take."""
    return max(BYTES_PER_CELL * n_rows * n_columns, BYTES_PER_BYTE * n_bytes)


def available_memory() -> int:
    """Bytes that this process may still take: what the machine has left, and what its control group allows."""
    return min(_left_by_machine(), _left_by_group())


def _left_by_machine() -> int:
    for line in _MEMINFO.read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return 1024 * int(line.split()[1])
    return 2**62


def _left_by_group() -> int:
    """By version 2 of control groups, which is how containers are limited; the cache of files gives way."""
    try:
        limit = (_CGROUP / "memory.max").read_text().strip()
        used = int((_CGROUP / "memory.current").read_text())
        figures = dict(line.split() for line in (_CGROUP / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return 2**62
    return 2**62 if limit == "max" else max(0, int(limit) - used + int(figures.get("inactive_file", 0)))


def _gib(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:.1f} GiB"
