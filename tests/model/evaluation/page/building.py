"""A report built by hand, with every section filled by figures as a good model's are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from model.evaluation.definitions import DEFINITIONS, verdict
from model.spec.figures import (
    Augmentation,
    Conditional,
    Correlations,
    DistanceHistogram,
    Distribution,
    FeatureReport,
    LabelReport,
    Matrix,
    Projection,
    RocCurve,
    RuleReport,
    Side,
    Trajectory,
    Transitions,
)
from model.spec.privacy import HeldTest, PrivacyVerdict
from model.spec.report import Classifier, MetricName, Report, Score

LENGTH = 25
VITALS = (
    ("temperature", "degC", 36.9, 0.7),
    ("sbp", "mmHg", 121.0, 22.0),
    ("dbp", "mmHg", 60.0, 13.0),
    ("map", "mmHg", 80.0, 15.0),
    ("heart_rate", "/min", 87.0, 17.0),
    ("respiratory_rate", "/min", 19.0, 5.0),
    ("spo2", "%", 97.0, 2.4),
)
LABELS = (("in_hospital_death", "0"), ("in_hospital_death", "1"))
SIDES: tuple[Side, ...] = ("synthetic", "training", "holdout")
FIGURES: dict[MetricName, tuple[float, float | None]] = {  # found, and what real stays score
    "exact_copies": (0.0, 0.0),
    "near_copies": (0.0004, 0.0007),
    "dcr_share": (0.512, 0.5),
    "dcr_tail_share": (0.53, 0.5),
    "nndr": (0.942, 0.945),
    "nnaa_loss": (0.006, 0.0),
    "membership_auc": (0.508, 0.5),
    "membership_density_auc": (0.511, 0.5),
    "membership_excess": (0.0011, 0.0),
    "marginal_ks": (0.0175, 0.0093),
    "wasserstein": (0.031, 0.014),
    "total_variation": (0.0047, 0.0049),
    "conditional_distance": (0.031, 0.024),
    "tails": (0.21, 0.11),
    "correlation_mae": (0.0123, 0.0061),
    "rules": (0.998, 0.999),
    "missing_rate_mae": (0.0081, 0.0043),
    "missing_runs": (0.021, 0.009),
    "co_missingness": (0.015, 0.007),
    "transition_distance": (0.0091, 0.0042),
    "acf_mse": (0.0019, 0.0002),
    "dtw": (1.83, 1.79),
    "mmd": (0.021, 0.014),
    "c2st_logistic": (0.561, 0.502),
    "c2st_mlp": (0.603, 0.498),
    "c2st_lstm": (0.672, 0.503),
    "augmentation": (0.006, None),
}
THRESHOLDS: dict[MetricName, float] = {
    "exact_copies": 0.0,
    "near_copies": 0.005,
    "dcr_share": 0.55,
    "dcr_tail_share": 0.65,
    "nnaa_loss": 0.05,
    "membership_auc": 0.55,
    "membership_excess": 0.01,
    "attribute_gain": 0.05,
}
BY_LABEL: tuple[MetricName, ...] = ("near_copies", "dcr_share", "dcr_tail_share", "membership_auc")
AUCS: dict[MetricName, dict[Classifier, float]] = {
    "tstr": {"bilstm": 0.741, "transformer": 0.733, "cnn_lstm": 0.738},
    "trtr": {"bilstm": 0.768, "transformer": 0.757, "cnn_lstm": 0.771},
    "trts": {"bilstm": 0.752, "transformer": 0.749, "cnn_lstm": 0.755},
}


def score(name: MetricName, value: float | None, floor: float | None = None, **changes: object) -> Score:
    """A score as the report has it, with an interval of 3 % about it."""
    definition, threshold = DEFINITIONS[name], THRESHOLDS.get(name)
    low = None if value is None else value - 0.03 * abs(value)
    found: dict[str, object] = {
        "name": name, "title": definition.title, "group": definition.group, "ideal": definition.ideal,
        "better": definition.better, "meaning": definition.meaning, "status": "ok", "value": value, "low": low,
        "high": None if value is None else value * 1.03, "holdout_value": floor, "threshold": threshold,
        "gate_low": low if threshold is not None else None,
    }  # fmt: skip
    if value is not None:
        found["verdict"] = verdict(name, value, floor, gate_low=low, threshold=threshold)
    return Score.model_validate(found | changes)


def scores(names: Sequence[str]) -> tuple[Score, ...]:
    """Every metric; privacy a second time by label category, and by vital."""
    found = [score(name, value, floor) for name, (value, floor) in FIGURES.items()]
    found[4] = found[4].model_copy(update={"sample": "2,000 stays a side"})
    found.append(score("attribute_gain", 0.012, 0.0, label="in_hospital_death"))
    for metric, by_kind in AUCS.items():
        for kind, value in by_kind.items():
            floor = AUCS["trtr"][kind] if metric != "trtr" else None
            found.append(score(metric, value, floor, label="in_hospital_death", classifier=kind, spread=0.0042))
    for label, category in LABELS:
        for test in BY_LABEL:
            value, real = FIGURES[test]
            found.append(score(test, value * 1.01, real, label=label, category=category))
    for name in names:
        found.append(score("dcr_share", 0.507, 0.5, feature=name))
        found.append(score("membership_auc", 0.503, 0.5, feature=name))
    return tuple(found)


def distribution(centre: float, spread: float, edges: Sequence[float], *, missing: float, seed: int) -> Distribution:
    """A bell with a rate of missing values that falls with time."""
    rng = np.random.default_rng(seed)
    values = rng.normal(centre, spread, 20_000)
    counts = np.histogram(np.clip(values, edges[0], edges[-1] - 1e-9), edges)[0]
    quantiles = {f"{q:g}": float(np.quantile(values, q / 100)) for q in (0.1, 5, 25, 50, 75, 95, 99.9)}
    by_step = missing * (1 - 0.4 * np.arange(LENGTH) / LENGTH) + rng.normal(0, 0.01, LENGTH)
    by_step = np.clip(by_step, 0, 1)
    runs = np.array([0.5, 0.2, 0.14, 0.09, 0.05, 0.02]) if missing else np.zeros(0)
    return Distribution(
        n_values=20_000,
        shares=tuple((counts / counts.sum()).tolist()),
        quantiles=quantiles,
        missing_rate=float(by_step.mean()),
        missing_by_step=tuple(by_step.tolist()),
        missing_runs=tuple(runs.tolist()),
    )


def trajectory(side: Side, centre: float, spread: float, label: str | None, category: str | None) -> Trajectory:
    """A course that settles; the sicker start higher."""
    hours = np.arange(LENGTH)
    shift = 0.5 * (category == "1") + 0.04 * SIDES.index(side)
    median = centre + spread * (shift + 0.4 * np.exp(-hours / 6) + 0.05 * np.sin(hours))
    low, high = median - 0.67 * spread, median + 0.67 * spread
    return Trajectory(
        side=side, label=label, category=category,
        low=tuple(low.tolist()), median=tuple(median.tolist()), high=tuple(high.tolist()),
    )  # fmt: skip


def numerical(name: str, unit: str | None, centre: float, spread: float, *, seed: int) -> FeatureReport:
    """A numerical feature with all that a report tells of one."""
    edges = tuple(np.linspace(centre - 2.6 * spread, centre + 2.6 * spread, 41).tolist())
    missing = 0.6 if seed % 7 == 0 else 0.25
    sides = {
        side: distribution(centre + 0.03 * spread * k, spread * (1 + 0.04 * k), edges, missing=missing, seed=seed + k)
        for k, side in enumerate(SIDES)
    }
    lags = np.arange(1, LENGTH)
    groups: tuple[tuple[str | None, str | None], ...] = ((None, None), *LABELS)
    return FeatureReport(
        name=name,
        type="numerical",
        unit=unit,
        edges=edges,
        **sides,
        distance=0.018,
        holdout_distance=0.009,
        wasserstein=0.031,
        holdout_wasserstein=0.014,
        acf={side: tuple((0.85**lags + 0.01 * k).tolist()) for k, side in enumerate(SIDES)},
        trajectories=tuple(trajectory(side, centre, spread, *group) for group in groups for side in SIDES[:2]),
        by_label=tuple(
            Conditional(
                label=label, category=category, n_synthetic=1333, synthetic=sides["synthetic"],
                training=sides["training"], distance=0.032, holdout_distance=0.025,
            )
            for label, category in LABELS
        ),
    )  # fmt: skip


def categorical(name: str, categories: Sequence[str], *, seed: int) -> FeatureReport:
    """A categorical feature, measured always."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(len(categories)) * 3, 3)
    sides = {
        side: Distribution(n_values=5000, shares=tuple(row.tolist()), missing_rate=0.0, missing_by_step=(0.0,) * LENGTH)
        for side, row in zip(SIDES, shares, strict=True)
    }
    return FeatureReport(name=name, type="categorical", categories=tuple(categories), **sides, distance=0.05)


def square(n: int, *, seed: int, noise: float = 0.0) -> Matrix:
    """A correlation matrix."""
    factors = np.random.default_rng(seed).normal(size=(n, 3))
    matrix = np.corrcoef(factors) if n > 1 else np.ones((n, n))
    jitter = np.random.default_rng(seed + 1).normal(0, noise, (n, n))
    both = np.clip(matrix + (jitter + jitter.T) / 2, -1, 1)
    np.fill_diagonal(both, 1.0)
    return tuple(tuple(row) for row in both.tolist())


def changes(name: str, categories: Sequence[str], *, seed: int) -> Transitions:
    """Categories that mostly stay."""
    rng = np.random.default_rng(seed)
    rows = [
        0.2 * rng.dirichlet(np.ones(len(categories)), len(categories)) + 0.8 * np.eye(len(categories)) for _ in "st"
    ]
    synthetic, training = (tuple(tuple(row) for row in one.tolist()) for one in rows)
    return Transitions(name=name, categories=tuple(categories), synthetic=synthetic, training=training)


def projection() -> Projection:
    """Two clouds on a grid of 30 cells a side."""
    edges = np.linspace(-4, 4, 31)
    clouds = []
    for seed in (0, 1):
        rng = np.random.default_rng(seed)
        points = rng.normal(size=(9600, 2)) @ np.array([[1.2, 0.4], [0.0, 0.8]])
        counts = np.histogram2d(points[:, 1], points[:, 0], bins=(edges, edges))[0]
        clouds.append(tuple(tuple(row) for row in (counts / counts.sum()).tolist()))
    told = tuple(edges.tolist())
    return Projection(explained=(0.21, 0.12), x_edges=told, y_edges=told, synthetic=clouds[0], training=clouds[1])


def distances(title: str) -> DistanceHistogram:
    """Three humps that nearly coincide."""
    edges = np.linspace(0, 10, 41)
    humps = [
        np.histogram(np.random.default_rng(k).gamma(9, 0.5 + 0.01 * k, 5000).clip(0, 9.99), edges)[0] / 5000
        for k in range(3)
    ]
    first, second, third = (tuple(hump.tolist()) for hump in humps)
    return DistanceHistogram(
        title=title, edges=tuple(edges.tolist()), synthetic_to_training=first, synthetic_to_holdout=second,
        holdout_to_training=third,
    )  # fmt: skip


def roc(name: str, auc: float) -> RocCurve:
    """The curve of two bells that differ by what gives this area."""
    rates = np.linspace(0, 1, 101)
    return RocCurve(name=name, true_positive_rates=tuple((rates ** ((1 - auc) / auc)).tolist()), auc=auc)


def held(report: Report) -> Report:
    """The report of a cohort with copies among it."""
    test = HeldTest(
        name="near_copies", about=None, value=0.051, low=0.0495, threshold=0.005,
        detail="near copies of real stays: 5.10%, at least 4.95%, where at most 0.50% is allowed",
    )  # fmt: skip
    single = [
        test.model_copy(update={"about": name, "detail": f"near copies of real stays ({name}): 5.10%"})
        for name in ("heart_rate", "sbp")
    ]
    copies = [score("near_copies", 0.051, 0.0007) if one.key == "near_copies" else one for one in report.scores]
    reason = f"The stays are too close to real patients. 1 of the tests failed: {test.detail}."
    verdict = PrivacyVerdict(status="held", reason=reason, failed=(test, *single), n_tests=22)
    return report.model_copy(update={"privacy": verdict, "scores": tuple(copies)})


def bare(report: Report) -> Report:
    """The report as it is where the dataset is gone and there is no label, and nothing could be computed."""
    reason = "the model's dataset is not stored here"
    gone = [
        score(
            name,
            None,
            status="not_available",
            reason=reason,
        )
        for name in ("dcr_share", "marginal_ks", "missing_rate_mae", "acf_mse", "c2st_lstm", "tstr")
    ]
    return report.model_copy(
        update={
            "privacy": PrivacyVerdict(status="not_evaluated", reason=reason), "scores": tuple(gone), "labels": (),
            "features": (), "correlations": Correlations(names=(), synthetic=()), "co_missingness": None,
            "transitions": (), "rules": (), "roc": (), "projection": None, "distances": (), "augmentation": (),
            "provenance": {}, "notes": (), "n_training": None, "n_holdout": None, "detail": "full",
        }
    )  # fmt: skip


def built_report(*, n_more: int = 0, labels: bool = True) -> Report:
    """7 vitals, a rhythm, `n_more` further measurements; full detail."""
    vitals = [numerical(*vital, seed=7 * k) for k, vital in enumerate(VITALS)]
    vitals += [numerical(f"measurement {k}", None, 10.0 + k, 2.0, seed=100 + k) for k in range(n_more)]
    names = tuple(feature.name for feature in vitals)
    n = len(names)
    return Report(
        created_at=datetime(2026, 11, 23, 16, 5, tzinfo=UTC),
        kind="model",
        title="ICU vitals, Challenge 2012",
        detail="full",
        n_stays=9600,
        n_evaluated=9600,
        n_training=9600,
        n_holdout=2400,
        sequence_length=LENGTH,
        labels=(
            LabelReport(
                name="in_hospital_death",
                asked={"0": 8267, "1": 1333},
                obtained={"0": 8267, "1": 1333},
                training_shares={"0": 0.861, "1": 0.139},
            ),
        )
        if labels
        else (),
        privacy=PrivacyVerdict(status="passed", reason="None of 22 tests found the stays too close.", n_tests=22),
        scores=scores(names),
        features=(*vitals, categorical("rhythm", ("sinus", "atrial fibrillation", "paced"), seed=5)),
        correlations=Correlations(names=names, synthetic=square(n, seed=3), training=square(n, seed=3, noise=0.04)),
        co_missingness=Correlations(names=names, synthetic=square(n, seed=9), training=square(n, seed=9, noise=0.03)),
        transitions=(
            changes("rhythm", ("sinus", "atrial fibrillation", "paced"), seed=1),
            *(changes(f"{name} measured", ("no", "yes"), seed=k) for k, name in enumerate(names)),
        ),
        rules=tuple(
            RuleReport(
                rule=rule,
                rows={"synthetic": 0.9971, "training": 0.9987, "holdout": 0.9985},
                stays={"synthetic": 0.981, "training": 0.991, "holdout": None},
            )
            for rule in ("dbp <= map", "map <= sbp")
        ),
        roc=(roc("logistic regression", 0.561), roc("neural network", 0.603), roc("sequence network", 0.672)),
        projection=projection(),
        distances=(distances("Whole stays"), distances("temperature")),
        augmentation=tuple(
            Augmentation(
                label="in_hospital_death", n_real=n_real, n_synthetic=n_synthetic, real_share=n_real / 9600,
                value=value, low=value - 0.012, high=value + 0.012, real_only=alone,
            )
            for n_real, n_synthetic, value, alone in (
                (960, 8640, 0.742, 0.712), (2400, 7200, 0.751, 0.738), (4800, 4800, 0.761, 0.757),
                (9600, 9600, 0.769, 0.768), (9600, 19200, 0.768, 0.768),
            )
        ),
        provenance={
            "model": "challenge2012-v1", "software_version": "0.1.0", "seed": 12345, "request": {"n_stays": 9600},
            "data_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "batch": None,
        },
        notes=("A classifier that learns from a balanced cohort scores 0.738 on the holdout.",),
        seconds={"total": 412.3, "real stays": 46.2},
    )  # fmt: skip
