"""Runs one figure after the other: tells the progress, obeys a cancel, and lets no figure break the others."""

from __future__ import annotations

import logging
import math
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from model.evaluation.definitions import DEFINITIONS
from model.evaluation.space import Figure, NotAvailable, Tick
from model.spec.errors import Cancelled
from model.spec.report import Classifier, EvaluationOptions, MetricName, Status

Progress = Callable[[str, int, int], None]
CancelCheck = Callable[[], bool]

UNITS = 10  # progress is told in tenths of a figure's weight

_log = logging.getLogger(__name__)


def no_progress(step: str, value: int, maximum: int) -> None:
    """Tell nobody."""


def never() -> bool:
    """Nobody asks to stop."""
    return False


def is_wanted(name: MetricName, options: EvaluationOptions) -> bool:
    """Whether `options` ask for a figure; TRTR comes with TSTR and TRTS, which are compared with it."""
    if options.metrics is None or name in options.metrics:
        return True
    return name == "trtr" and ("tstr" in options.metrics or "trts" in options.metrics)


class Measure(NamedTuple):
    """One score to be computed, and what it is about."""

    name: MetricName
    compute: Callable[[Tick], Figure | float]
    label: str | None = None
    category: str | None = None
    feature: str | None = None
    classifier: Classifier | None = None


class Outcome(NamedTuple):
    """A figure, or why there is none."""

    status: Status
    figure: Figure | None
    reason: str | None
    seconds: float


class Run:
    """The figures of one report, in turn. `names` are all that will be measured, for the progress."""

    def __init__(self, step: str, names: list[MetricName], *, progress: Progress, cancelled: CancelCheck) -> None:
        self._step, self._progress, self._cancelled = step, progress, cancelled
        self._done, self._total = 0, max(1, sum(DEFINITIONS[name].weight for name in names))
        self.seconds = 0.0

    def measure(self, name: MetricName, compute: Callable[[Tick], Figure | float]) -> Outcome:
        """The outcome of `compute`, which is given a function to tell how far it is. Raises Cancelled."""
        start, weight = time.perf_counter(), DEFINITIONS[name].weight
        status, figure, reason = self._attempt(name, compute, weight)
        self._done += weight
        seconds = time.perf_counter() - start
        self.seconds += seconds
        return Outcome(status, figure, reason, round(seconds, 3))

    def tell(self, fraction_of_weight: float = 0.0) -> None:
        """Tell the progress; raise Cancelled where somebody asked to stop."""
        if self._cancelled():
            raise Cancelled("the evaluation was cancelled")
        value = round(UNITS * (self._done + fraction_of_weight))
        self._progress(self._step, min(value, UNITS * self._total), UNITS * self._total)

    def _attempt(
        self, name: MetricName, compute: Callable[[Tick], Figure | float], weight: int
    ) -> tuple[Status, Figure | None, str | None]:
        try:
            self.tell()
            result = compute(lambda fraction: self.tell(fraction * weight))
        except Cancelled:
            raise
        except NotAvailable as error:
            return "not_available", None, str(error)
        except Exception as error:  # noqa: BLE001 -- whatever breaks is reported, and the other figures go on
            _log.warning("the figure %s failed: %s", name, place_of(error))
            return "failed", None, f"the computation broke ({place_of(error)})"
        figure = result if isinstance(result, Figure) else Figure(result)
        if not math.isfinite(figure.value):
            return "failed", None, "the computation gave no finite number"
        return "ok", figure, None


def place_of(error: Exception) -> str:
    """Kind and place of an error. Its message stays out: it could quote a patient's value."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"
