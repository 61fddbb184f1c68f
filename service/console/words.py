"""Figures, times and states as a reader of the console sees them."""

from __future__ import annotations

from datetime import UTC, datetime

from markupsafe import Markup, escape

NOTHING = "\u2013"
NARROW = "\u202f"  # a narrow space that no line breaks at

STATES = {
    "queued": "waiting",
    "running": "running",
    "cancelling": "stopping",
    "succeeded": "done",
    "failed": "failed",
    "cancelled": "cancelled",
}
KINDS = {"generate": "Cohort", "train": "Training", "evaluate": "Comparison"}
PRIVACY = {"passed": "passed", "held": "held back", "not_evaluated": "not tested"}


def count(n: float | None) -> str:
    """A number of things, in groups of three digits."""
    return NOTHING if n is None else f"{n:,.0f}".replace(",", NARROW)


def percent(share: float | None, digits: int = 1) -> str:
    """A share of 1 as 12.5 %."""
    return NOTHING if share is None else f"{100 * share:.{digits}f}{NARROW}%"


def duration(seconds: float | None) -> str:
    """A length of time, in its largest units."""
    if seconds is None:
        return NOTHING
    if seconds < 10:
        return f"{seconds:.1f}{NARROW}s"
    if seconds < 60:
        return f"{seconds:.0f}{NARROW}s"
    minutes = round(seconds / 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}{NARROW}h {minutes}{NARROW}min" if hours else f"{minutes}{NARROW}min"


def size(n_bytes: float | None) -> str:
    """A size in bytes, in decimal units."""
    if n_bytes is None:
        return NOTHING
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 1000 or unit == "GB":
            return f"{n_bytes:.0f}{NARROW}{unit}" if unit == "B" or n_bytes >= 10 else f"{n_bytes:.1f}{NARROW}{unit}"
        n_bytes /= 1000
    raise AssertionError


def when(moment: datetime | None) -> Markup | str:
    """A moment as a <time>, in UTC; the page's script turns it into the reader's own time."""
    if moment is None:
        return NOTHING
    utc = moment.astimezone(UTC)
    shown = f"{utc:%d %b %Y, %H:%M} UTC".removeprefix("0")
    return Markup('<time datetime="{}">{}</time>').format(utc.isoformat(timespec="seconds"), escape(shown))
