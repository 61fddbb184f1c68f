"""The parts of a report that others compute, brought into one form: one that breaks takes nothing else with it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

from model.data.codec import Codec
from model.data.stays import Stays
from model.evaluation.comparison import Comparison
from model.evaluation.exhibits import co_missingness, projection, rule_reports, transitions
from model.evaluation.fidelity_tasks import fidelity_tasks
from model.evaluation.measure import CancelCheck, Measure, is_wanted, place_of
from model.evaluation.privacy import PrivacySpace, distance_histograms, privacy_space, privacy_tasks
from model.evaluation.space import Figure, Tick
from model.spec.errors import Cancelled
from model.spec.figures import Correlations, DistanceHistogram, Projection, RuleReport, Transitions
from model.spec.report import PRIVACY_METRICS, EvaluationOptions

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class Privacy(NamedTuple):
    """The privacy tests to be made, and the space in which they are made: None where they are not, or it broke."""

    space: PrivacySpace | None
    measures: list[Measure]


@dataclass(frozen=True)
class Sections:
    """Tables and plots; None or empty where there is nothing to show, with a note where one broke."""

    co_missingness: Correlations | None
    transitions: tuple[Transitions, ...]
    rules: tuple[RuleReport, ...]
    projection: Projection | None
    distances: tuple[DistanceHistogram, ...]
    notes: tuple[str, ...]
    seconds: float


def privacy_measures(
    codec: Codec, train: Stays | None, holdout: Stays | None, synthetic: Stays, sides: Comparison
) -> Privacy:
    """The tests that are asked for. Where their space cannot be made, each of them fails and says so."""
    options = sides.options
    wanted = [name for name in PRIVACY_METRICS if is_wanted(name, options)]
    if not wanted:
        return Privacy(None, [])
    try:
        space = privacy_space(
            codec, train=train, holdout=holdout, synthetic=synthetic, imputed=sides.imputed, options=options
        )
        tasks = privacy_tasks(space)
    except Exception as error:  # noqa: BLE001 -- the other figures go on
        _log.warning("the privacy tests could not be prepared: %s", place_of(error))
        return Privacy(None, [Measure(name, _raising(error)) for name in wanted])
    return Privacy(space, [Measure(t.name, t.compute, t.label, t.category, t.feature) for t in tasks])


def fidelity_measures(sides: Comparison) -> list[Measure]:
    """How alike values, missingness and courses are."""
    return [Measure(task.name, task.compute) for task in fidelity_tasks(sides, sides.codec)]


def sections(sides: Comparison, space: PrivacySpace | None, *, cancelled: CancelCheck) -> Sections:
    """The report's tables and plots; only those of the privacy tests where nothing else is asked for."""
    start, notes = time.perf_counter(), []

    def made(what: str, compute: Callable[[], _T], otherwise: _T) -> _T:
        if cancelled():
            raise Cancelled("the evaluation was cancelled")
        try:
            return compute()
        except Exception as error:  # noqa: BLE001 -- the report is of use without this part
            _log.warning("%s of the report failed: %s", what, place_of(error))
            notes.append(f"The report lacks {what}: the computation broke ({place_of(error)}).")
            return otherwise

    more = not only_privacy(sides.options)
    found = Sections(
        co_missingness=made("measurements made together", lambda: co_missingness(sides), None) if more else None,
        transitions=made("step-to-step changes", lambda: transitions(sides), ()) if more else (),
        rules=made("clinical rules", lambda: rule_reports(sides), ()) if more else (),
        projection=made("the map of whole stays", lambda: projection(sides), None) if more else None,
        distances=made("distances to the closest record", lambda: distance_histograms(space), ()) if space else (),
        notes=(),
        seconds=0.0,
    )
    return replace(found, notes=tuple(notes), seconds=time.perf_counter() - start)


def only_privacy(options: EvaluationOptions) -> bool:
    """Whether nothing but privacy tests is asked for: what takes longer is then left out."""
    return options.metrics is not None and PRIVACY_METRICS.issuperset(options.metrics)


def _raising(error: Exception) -> Callable[[Tick], Figure]:
    def compute(_: Tick) -> Figure:
        raise error

    return compute
