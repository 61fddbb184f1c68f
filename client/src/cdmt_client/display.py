"""Progress where somebody looks at it: a bar in a notebook, a line in a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO, TypeAlias, cast

from cdmt_client import cards
from cdmt_client.effects import Told

Shown: TypeAlias = bool | Told
"""True: where somebody looks; False: never; or what is called as `told(step, value, max)`."""

WIDTH = 30
EVERY_SECONDS = 0.1


@contextmanager
def shown(progress: Shown) -> Iterator[Told]:
    """What to call while something goes on."""
    if callable(progress):
        yield progress
        return
    if progress and (display := notebook_display()) is not None:
        yield NotebookBar(display)
    elif progress and sys.stderr.isatty():
        line = TerminalLine(sys.stderr)
        try:
            yield line
        finally:
            line.close()
    else:
        yield _nothing


def notebook_display() -> Callable[..., Any] | None:
    """IPython's `display` in a notebook, None elsewhere; imports nothing that is not there already."""
    ipython = sys.modules.get("IPython")
    if ipython is None or not hasattr(ipython.get_ipython(), "kernel"):
        return None
    return cast("Callable[..., Any]", ipython.display.display)


class NotebookBar:
    """One bar in the cell's output, which changes."""

    def __init__(self, display: Callable[..., Any]) -> None:
        self._display = display
        self._handle: Any = None
        self._html = ""
        self._rhythm = _Rhythm()

    def __call__(self, step: str, value: int, total: int) -> None:
        """Show how far the step is."""
        if not self._rhythm.is_due(step, value, total):
            return
        self._html = cards.bar(step, value, total)
        if self._handle is None:
            self._handle = self._display(self, display_id=True)
        else:
            self._handle.update(self)

    def __repr__(self) -> str:
        return "progress"

    def _repr_html_(self) -> str:
        return self._html


class TerminalLine:
    """One line that is written over; a new one per step."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._step: str | None = None
        self._rhythm = _Rhythm()

    def __call__(self, step: str, value: int, total: int) -> None:
        """Show how far the step is."""
        if not self._rhythm.is_due(step, value, total):
            return
        if self._step not in (None, step):
            self._stream.write("\n")
        self._step = step
        share = min(1.0, value / total) if total else 0.0
        filled = round(WIDTH * share)
        self._stream.write(f"\r{step}: [{'#' * filled}{'.' * (WIDTH - filled)}] {share:4.0%}\x1b[K")
        self._stream.flush()

    def close(self) -> None:
        """Leave the line."""
        if self._step is not None:
            self._stream.write("\n")
            self._stream.flush()


class _Rhythm:
    """Not more often than eyes can follow, but always the beginning and the end of a step."""

    def __init__(self) -> None:
        self._step: str | None = None
        self._at = 0.0

    def is_due(self, step: str, value: int, total: int) -> bool:
        now = time.monotonic()
        if step == self._step and value < total and now - self._at < EVERY_SECONDS:
            return False
        self._step, self._at = step, now
        return True


def _nothing(_step: str, _value: int, _total: int) -> None:
    """Nobody looks."""
