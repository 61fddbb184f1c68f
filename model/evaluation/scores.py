"""The scores of a report: each figure computed, or the reason why not, beside what real stays score."""

from __future__ import annotations

from collections.abc import Callable

from model.data.codec import Codec
from model.evaluation.aggregates import compare
from model.evaluation.comparison import Comparison
from model.evaluation.definitions import DEFINITIONS, verdict
from model.evaluation.detection import c2st_auc
from model.evaluation.distributions import mean_distance
from model.evaluation.fidelity import MMD_STAYS
from model.evaluation.measure import CancelCheck, Outcome, Progress, Run
from model.evaluation.reference import AGGREGATE_METRICS, DISCRIMINATORS, Floor, is_wanted, mmd_between
from model.evaluation.space import Figure, NotAvailable, Table, Tick
from model.evaluation.utility import tstr
from model.spec.report import MetricName, Score

NO_DATASET = "the model's dataset is not stored here"
NO_STAYS = "the table holds no stays"


def all_scores(
    sides: Comparison, codec: Codec, *, progress: Progress, cancelled: CancelCheck
) -> tuple[tuple[Score, ...], float]:
    """Every score that is asked for, and the seconds that they took. Raises Cancelled."""
    labels = [label.name for label in codec.schema.labels]
    tasks: list[tuple[MetricName, str | None, Callable[[Tick], Figure | float]]] = [
        (name, None, _task(name, sides)) for name in DEFINITIONS if name not in ("tstr", "trtr")
    ]
    tasks += [("tstr", label, _tstr(sides, k)) for k, label in enumerate(labels)]
    if not labels:
        tasks += [("tstr", None, _no_labels)]
    tasks = [task for task in tasks if is_wanted(task[0], sides.options)]
    run = Run("evaluating", [name for name, _, _ in tasks], progress=progress, cancelled=cancelled)
    scores = []
    for name, label, compute in tasks:
        outcome = run.measure(name, compute if len(sides.synthetic_table) else _no_stays)
        floor = _floor_of(name, label, sides)
        scores.append(_score(name, label, outcome, floor))
        if name == "tstr":
            scores.append(_trtr_score(label, floor, sides))
    run.tell()
    return tuple(scores), run.seconds


def _task(name: MetricName, sides: Comparison) -> Callable[[Tick], Figure | float]:
    if name == "marginal_ks":
        return lambda _: _marginal_ks(sides)
    if name in AGGREGATE_METRICS:
        return lambda _: _compare(name, sides)
    if name == "mmd":
        return lambda _: _mmd(sides, sides.synthetic_table)
    return lambda tick: _c2st(name, sides, tick)


def _marginal_ks(sides: Comparison) -> float:
    if sides.imputed and sides.train_table is None:
        raise NotAvailable("missing values were filled in, and the real stays, to fill alike, are not stored here")
    if all(feature.training is None for feature in sides.features):
        raise NotAvailable(NO_DATASET)
    return mean_distance(sides.features, "synthetic")


def _compare(name: MetricName, sides: Comparison) -> float:
    if sides.training is None:
        raise NotAvailable(NO_DATASET)
    return compare(name, sides.synthetic, sides.training)


def _mmd(sides: Comparison, subject: Table) -> float:
    """MMD of `subject` from the training stays, always for one number of stays, so that figures can be compared."""
    if sides.train_table is None:
        raise NotAvailable(NO_DATASET)
    return mmd_between(subject, sides.train_table, n=_mmd_stays(sides), seed=sides.options.seed)


def _mmd_stays(sides: Comparison) -> int:
    tables = [sides.synthetic_table, sides.train_table, sides.holdout_table]
    return min(MMD_STAYS, *(len(table) for table in tables if table is not None))


def _c2st(name: MetricName, sides: Comparison, tick: Tick) -> Figure:
    if sides.holdout_table is None:
        raise NotAvailable(NO_DATASET)
    return c2st_auc(
        sides.synthetic_table,
        sides.holdout_table,
        discriminator=DISCRIMINATORS[name],
        seed=sides.options.seed,
        tick=tick,
    )


def _tstr(sides: Comparison, label: int) -> Callable[[Tick], Figure]:
    def compute(tick: Tick) -> Figure:
        if sides.holdout_table is None:
            raise NotAvailable(NO_DATASET)
        options = sides.options
        return tstr(
            sides.synthetic_table,
            sides.holdout_table,
            label=label,
            n_stays=options.max_stays,
            seed=options.seed,
            tick=tick,
        )

    return compute


def _no_labels(_: Tick) -> Figure:
    raise NotAvailable("the table has no labels")


def _no_stays(_: Tick) -> Figure:
    raise NotAvailable(NO_STAYS)


def _floor_of(name: MetricName, label: str | None, sides: Comparison) -> Floor | None:
    """What real stays score: recomputed where it is cheap and the conditions differ, else from the reference."""
    if name in AGGREGATE_METRICS and sides.imputed and sides.holdout and sides.training:
        try:
            return Floor(name=name, value=compare(name, sides.holdout, sides.training))
        except NotAvailable as error:
            return Floor(name=name, reason=str(error))
    if name == "mmd" and sides.train_table and sides.holdout_table and _mmd_stays(sides) >= 2:
        return Floor(name=name, value=_mmd(sides, sides.holdout_table))
    if sides.reference is None:
        return None
    if name == "tstr":
        n = min(len(sides.synthetic_table), sides.options.max_stays)
        return sides.reference.floor("trtr", label=label, n_stays=n)
    return sides.reference.floor(name, label=label)


def _score(name: MetricName, label: str | None, outcome: Outcome, floor: Floor | None) -> Score:
    definition = DEFINITIONS[name]
    figure = outcome.figure
    holdout_value = floor.value if floor else None
    return Score(
        name=name,
        title=definition.title,
        group=definition.group,
        label=label,
        status=outcome.status,
        value=figure.value if figure else None,
        low=figure.low if figure else None,
        high=figure.high if figure else None,
        holdout_value=holdout_value,
        ideal=definition.ideal,
        better=definition.better,
        verdict=verdict(name, figure.value, holdout_value) if figure else None,
        meaning=definition.meaning,
        reason=outcome.reason,
        seconds=outcome.seconds,
    )


def _trtr_score(label: str | None, floor: Floor | None, sides: Comparison) -> Score:
    """TRTR as a figure of its own: it describes the real stays, so it has no verdict."""
    if floor is None or floor.value is None:
        reason = "it was not measured" if sides.reference else NO_DATASET
        outcome = Outcome("not_available", None, reason, 0.0)
    else:
        outcome = Outcome("ok", Figure(floor.value, floor.low, floor.high), None, 0.0)
    score = _score("trtr", label, outcome, None)
    if floor is None or floor.n_stays is None:
        return score
    return score.model_copy(update={"meaning": f"{score.meaning} (here {floor.n_stays:,})", "verdict": None})
