"""The tables that arms are run on: the one that is given, and that of longer stays beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

Window = Literal["given", "48"]

SHORT, LONG = "_0_24", "_0_47"
"""Parts of the names of Challenge 2012's tables: the first and the last hour."""


def window_table(window: Window, data: Path) -> Path:
    """The table of a window, where `data` is the given one; it need not exist."""
    if window == "given":
        return data
    stem = data.stem.removesuffix(SHORT)
    return data.with_name(f"{stem}{LONG}{data.suffix}")
