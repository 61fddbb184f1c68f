"""A ward of long stays with gaps, whose stays are drawn from a known distribution: a third draw is as real as two."""

import dataclasses
from functools import partial

import numpy as np
import pytest

from model.data.codec import Codec
from model.data.stays import Stays
from model.evaluation.measure import Run, never, no_progress
from model.evaluation.privacy import privacy_space, privacy_tasks, privacy_verdict
from model.evaluation.space import Figure
from model.spec.privacy import PrivacyThresholds, PrivacyVerdict
from model.spec.report import EvaluationOptions, Score
from model.spec.schema import CategoricalFeature, Label, NumericalFeature, Schema

LENGTH = 24
VITALS = ("heart_rate", "sbp", "temperature")


def draw_stays(n: int, seed: int) -> Stays:
    """Three vitals with inertia, in whole numbers or tenths and with gaps; one category; a death rate of 20 %."""
    rng = np.random.default_rng(seed)
    death = (rng.random(n) < 0.2).astype(np.int64)
    level = rng.normal(0, 1, (n, 1, 3)) + 0.7 * death[:, None, None]
    course = np.zeros((n, LENGTH, 3))
    for t in range(1, LENGTH):
        course[:, t] = 0.8 * course[:, t - 1] + rng.normal(0, 0.5, (n, 3))
    z = level + course
    values = np.stack([np.round(80 + 12 * z[..., 0]), np.round(120 + 15 * z[..., 1]), 37 + 0.5 * z[..., 2]], axis=2)
    values[..., 2] = np.round(values[..., 2], 1)
    gaps = rng.random((n, LENGTH, 3)) < rng.uniform(0.05, 0.5, (n, 1, 3))
    values[gaps] = np.nan
    rhythm = (rng.integers(0, 3, (n, 1)) + np.cumsum(rng.random((n, LENGTH)) < 0.05, axis=1)) % 3
    return Stays(values.astype(np.float32), rhythm[:, :, None].astype(np.int64), death[:, None])


def joined(*parts: Stays) -> Stays:
    """All stays of all parts."""
    return Stays(
        np.concatenate([part.numerical for part in parts]),
        np.concatenate([part.categorical for part in parts]),
        np.concatenate([part.labels for part in parts]),
    )


def moved(stays: Stays, steps: int) -> Stays:
    """The stays rolled along time."""
    return Stays(np.roll(stays.numerical, steps, axis=1), np.roll(stays.categorical, steps, axis=1), stays.labels)


def noisy(stays: Stays, sd: float, codec: Codec, seed: int = 0) -> Stays:
    """The stays with noise of `sd` standard deviations on every value."""
    scale = np.array([state.scale for state in codec.state.numerical])
    noise = np.random.default_rng(seed).normal(0, sd, stays.numerical.shape) * scale
    return dataclasses.replace(stays, numerical=(stays.numerical + noise).astype(np.float32))


def score_of(name: str, figure: Figure | None, **about: object) -> Score:
    """A score as the report has it, of which only what the gate reads is filled in."""
    found = {} if figure is None else figure._asdict()
    status = "not_available" if figure is None else "ok"
    fixed = {"title": name, "group": "privacy", "ideal": 0.0, "better": "lower", "meaning": name}
    return Score.model_validate({"name": name, "status": status, **fixed, **found, **about})


def gate(
    codec: Codec, train: Stays | None, holdout: Stays | None, synthetic: Stays, *, imputed: bool = False, seed: int = 0
) -> tuple[PrivacyVerdict, dict[str, Score]]:
    """The gate's verdict on a table, and the scores by key."""
    options = EvaluationOptions(seed=seed)
    space = privacy_space(codec, train=train, holdout=holdout, synthetic=synthetic, imputed=imputed, options=options)
    tasks = privacy_tasks(space)
    scores = []
    for task in tasks:
        run = Run("test", [], progress=no_progress, cancelled=never)
        outcome = run.measure(task.name, partial(task.compute))
        about = {"label": task.label, "category": task.category, "feature": task.feature}
        score = score_of(task.name, outcome.figure, reason=outcome.reason, **about)
        scores.append(score if outcome.status != "failed" else score.model_copy(update={"status": "failed"}))
    verdict = privacy_verdict(scores, thresholds=PrivacyThresholds())
    return verdict, {score.key: score for score in scores}


@pytest.fixture(scope="session")
def unit_schema() -> Schema:
    rhythm = CategoricalFeature(name="rhythm", categories=("sinus", "af", "paced"))
    return Schema(
        stay_id="stay",
        time="hour",
        sequence_length=LENGTH,
        features=(*(NumericalFeature(name=name) for name in VITALS), rhythm),
        labels=(Label(name="death", categories=("0", "1")),),
    )


@pytest.fixture(scope="session")
def train() -> Stays:
    return draw_stays(1_200, 1)


@pytest.fixture(scope="session")
def holdout() -> Stays:
    return draw_stays(600, 2)


@pytest.fixture(scope="session")
def honest() -> Stays:
    return draw_stays(1_000, 3)


@pytest.fixture(scope="session")
def unit_codec(train: Stays, unit_schema: Schema) -> Codec:
    return Codec.fit(train, unit_schema)
