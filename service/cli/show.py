"""What a person sees: progress bars and notices on stderr, results on stdout."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from model.spec.privacy import PrivacyStatus
from model.spec.report import Report
from service.contracts.records import REPORT_JSON

# No markup: names of datasets, models and categories are anybody's, and may hold brackets.
out = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
err = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)


def notice(text: str) -> None:
    """One line about what is going on."""
    err.print(text, style="dim", markup=False)


class ProgressBars:
    """A bar per step of long work, or a plain line where there is no terminal. Called as `bars(step, value, max)`."""

    def __init__(self) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=err,
            disable=not err.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._told = ""

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, step: str, value: int, max: int) -> None:  # noqa: A002  the words of every progress callback
        """Show that `value` of `max` of `step` is done."""
        if not err.is_terminal:
            self._tell(step, value, max)
            return
        if step not in self._tasks:
            self._complete_former()
            self._tasks[step] = self._progress.add_task(step, total=max)
        self._progress.update(self._tasks[step], completed=value, total=max)

    def _tell(self, step: str, value: int, total: int) -> None:
        """A line when a step begins, and at every tenth of it."""
        tenth = f"{step}: {10 * value // total * 10 if total else 0} %"
        if tenth != self._told:
            notice(tenth)
            self._told = tenth

    def _complete_former(self) -> None:
        for task in self._progress.tasks:
            self._progress.update(task.id, completed=task.total)


def counts_table(counts: dict[str, dict[str, int]]) -> Table:
    """Label -> category -> stays, with shares."""
    table = Table("label", "category", "stays", "share")
    for label, categories in counts.items():
        total = sum(categories.values())
        for category, n in categories.items():
            table.add_row(label, category, f"{n:,}", f"{n / total:.1%}" if total else "-")
    return table


def read_report(folder: Path) -> Report:
    """The report in the folder of a model or a cohort."""
    return Report.model_validate_json((folder / REPORT_JSON).read_bytes())


def privacy_line(status: PrivacyStatus | None, reason: str | None) -> str:
    """What the privacy gate decided, and why."""
    words = {"passed": "passed", "held": "HELD BACK", "not_evaluated": "not evaluated"}
    return f"privacy: {words[status or 'not_evaluated']}. {reason or ''}".rstrip()


def scores_table(report: Report) -> Table:
    """The scores of all stays that a report has, each beside the one that held-out real stays get.

    Those of single vitals and of single categories are left to the report.
    """
    table = Table("score", "synthetic", "real holdout", "best")
    for score in report.scores:
        if score.status == "not_available" or score.feature or score.category:
            continue
        title = score.title if score.label is None else f"{score.title} ({score.label})"
        table.add_row(title, _number(score.value) or score.status, _number(score.holdout_value), f"{score.ideal:g}")
    return table


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
