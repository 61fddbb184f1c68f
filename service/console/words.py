"""Figures, times and states as a reader of the console sees them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

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
FIGURES = {
    "told from real stays by the best program (.5: not)": ("c2st_logistic", "c2st_mlp", "c2st_lstm"),
    "predicts the label, learned from synthetic stays": ("tstr",),
    "the same, learned from real ones": ("trtr",),
    "who was learned from, guessed (.5: by chance)": ("membership_auc",),
}
"""What a card says of a model. Where several programs try the same, it says what the best of them reaches."""
SCOPES = {
    "read": "look at models, descriptions of datasets and one's own jobs; download one's own cohorts",
    "generate": "have cohorts drawn",
    "train": "upload datasets, train models, compare tables, export and import models",
    "admin": "everything, other people's jobs, keys and the audit log among it",
}
STEPS = {
    "starting": "getting ready",
    "reading": "reading the stays",
    "sampling": "drawing stays",
    "training": "learning",
    "evaluating": "comparing with real stays",
    "waiting for the evaluation": "waiting to be compared with real stays",
}
TRY_AGAIN = "Use the same request again below. If it fails again, tell whoever runs this service, with the job's id."
NEXT_STEPS = {
    None: TRY_AGAIN,
    "urn:cdmt:problem:out-of-memory": "Ask for fewer stays, or train with a smaller batch or network.",
    "urn:cdmt:problem:disk-full": "An engineer has to make room on the disk first; then use the same request again.",
    "urn:cdmt:problem:timeout": "Ask for less at once, or ask an engineer for a longer limit.",
    "urn:cdmt:problem:not-found": "The model or dataset was deleted meanwhile. Choose another one.",
    "urn:cdmt:problem:invalid-data": "Look at the dataset's schema, correct it or the table, and upload it again.",
    "urn:cdmt:problem:invalid-schema": "Look at the dataset's schema, correct it or the table, and upload it again.",
    "urn:cdmt:problem:training-failed": "Train with a lower learning rate, or look for odd values in the dataset.",
}
"""By the type of a job's error; None for all others."""


class DownloadForm(NamedTuple):
    """A form in which a cohort can be had: its name, what it is, and the query of its address.

    One that `is_of_measured` cannot be made of a cohort whose missing values were filled in.
    """

    name: str
    words: str
    query: str
    is_of_measured: bool = False


DOWNLOADS = (
    DownloadForm("Parquet", "Parquet: one row per stay and time, with the types of the source.", "format=parquet"),
    DownloadForm("CSV", "CSV: the same as text, for a spreadsheet.", "format=csv"),
    DownloadForm("Wide CSV", "one row per stay, a column per feature and time", "format=csv&layout=wide"),
    DownloadForm("Wide Parquet", "the same, with types", "format=parquet&layout=wide"),
    DownloadForm("OMOP CDM 5.4", "a zip of its tables as CSV", "format=omop", is_of_measured=True),
    DownloadForm("FHIR R4", "a zip of resources as ndjson", "format=fhir", is_of_measured=True),
)
N_MAIN_DOWNLOADS = 2
"""So many of the first are buttons; the others are listed below them."""


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


def main_figures(figures: Mapping[str, float | None]) -> dict[str, float]:
    """Those of `FIGURES` that a report holds."""
    reached = {words: [figures.get(name) for name in names] for words, names in FIGURES.items()}
    known = {words: [value for value in values if value is not None] for words, values in reached.items()}
    return {words: max(values) for words, values in known.items() if values}


def paragraphs(text: str) -> list[str]:
    """The paragraphs and points of a notice in Markdown, without its headings and emphasis."""
    lines = [line.strip().removeprefix("- ").replace("**", "") for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def when(moment: datetime | None) -> Markup | str:
    """A moment as a <time>, in UTC; the page's script turns it into the reader's own time."""
    if moment is None:
        return NOTHING
    utc = moment.astimezone(UTC)
    shown = f"{utc:%d %b %Y, %H:%M} UTC".removeprefix("0")
    return Markup('<time datetime="{}">{}</time>').format(utc.isoformat(timespec="seconds"), escape(shown))
