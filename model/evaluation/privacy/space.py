"""The tables of the privacy tests in the model's scaled space: whole stays, and the trajectories of single vitals."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from model.data.codec import Codec
from model.data.stays import Stays
from model.evaluation.privacy.doubles import one_group_for_doubles
from model.evaluation.privacy.records import Records
from model.evaluation.privacy.view import NO_DATASET, Effort, Side, View
from model.evaluation.space import Z_LIMIT, Codes, NotAvailable
from model.spec.privacy import PrivacyThresholds
from model.spec.report import Detail, EvaluationOptions
from model.spec.schema import Schema

MIN_TOLD = 6
MIN_ROWS = 500
MIN_SYNTHETIC = 50
"""Tables of fewer synthetic stays are not evaluated: a copy among them cannot be told from chance."""
TOO_SMALL = (
    f"the table has fewer than {MIN_SYNTHETIC} stays: too few to tell copies from chance, and distances of so few "
    "would tell of single patients"
)

EFFORT: dict[Detail, Effort] = {
    "quick": Effort(
        pairs=1.5e8, products=9e10, vital_pairs=2.5e7, scanned=4_000, scan_products=2.5e10, adversarial=2_500
    ),
    "full": Effort(
        pairs=1e9, products=6e11, vital_pairs=1.5e8, scanned=10_000, scan_products=2.5e11, adversarial=6_000
    ),
}


@dataclass(frozen=True)
class PrivacySpace:
    """Everything that the privacy tests compare; `whole` is None where there are no real stays to compare with."""

    schema: Schema
    whole: View | None
    n_synthetic: int
    effort: Effort
    thresholds: PrivacyThresholds
    seed: int
    vitals: dict[str, View] = field(default_factory=dict, repr=False, compare=False)

    def view(self, feature: str | None = None) -> View:
        """Whole stays, or the trajectories of a numerical feature in the stays that tell enough of it.

        Raises NotAvailable without real stays, and for a table of fewer than MIN_SYNTHETIC synthetic ones.
        """
        if self.whole is None:
            raise NotAvailable(NO_DATASET)
        if not self.n_synthetic:
            raise NotAvailable("the table has no stays")
        if self.n_synthetic < MIN_SYNTHETIC:
            raise NotAvailable(TOO_SMALL)
        if feature is None:
            return self.whole
        if feature not in self.vitals:
            self.vitals[feature] = self._vital(self.whole, feature)
        return self.vitals[feature]

    def _vital(self, whole: View, feature: str) -> View:
        j = [f.name for f in self.schema.numerical].index(feature)
        sides = [_vital_side(side, j) for side in (whole.train, whole.holdout, whole.synthetic)]
        effort = self.effort._replace(pairs=self.effort.vital_pairs, adversarial=self.effort.adversarial // 2)
        return _view(sides[0], sides[1], sides[2], effort=effort, seed=self.seed)


def privacy_space(
    codec: Codec,
    *,
    train: Stays | None,
    holdout: Stays | None,
    synthetic: Stays,
    imputed: bool,
    options: EvaluationOptions,
) -> PrivacySpace:
    """The stays in the model's scaled space, values within +-20 standard deviations; labels are no part of it.

    `imputed`: missing values of the synthetic stays were filled in, so those of the real ones are filled by the
    training pipeline's rule, and what was measured is ignored. Real stays that are there twice are of one patient.
    """
    effort = EFFORT[options.detail]
    whole = None
    if train is not None:
        aside = train.take(slice(0)) if holdout is None else holdout
        real = _real_sides(train, aside, codec, fill=imputed)
        drawn = _side(synthetic, codec, np.arange(len(synthetic)), fill=imputed)
        whole = _view(*real, drawn, effort=effort, seed=options.seed)
    return PrivacySpace(codec.schema, whole, len(synthetic), effort, options.thresholds, options.seed)


def _real_sides(train: Stays, aside: Stays, codec: Codec, *, fill: bool) -> tuple[Side, Side]:
    """Both with the groups of their patients, where these are known, and of their doubles."""
    own: tuple[Codes, Codes] = (np.arange(len(train)), np.arange(len(aside)) + len(train))
    if train.patients is not None and aside.patients is not None:
        own = train.patients, aside.patients
    sides = _side(train, codec, own[0], fill=fill), _side(aside, codec, own[1], fill=fill)
    groups = one_group_for_doubles(*sides)
    return replace(sides[0], groups=groups[0]), replace(sides[1], groups=groups[1])


def _side(stays: Stays, codec: Codec, groups: Codes, *, fill: bool) -> Side:
    own = _records(stays, codec)
    records = _records(codec.fill(stays), codec) if fill else own
    return Side(records, records.told(), stays.labels, groups, own if fill else None)


def _records(stays: Stays, codec: Codec) -> Records:
    center = np.array([s.center for s in codec.state.numerical], dtype=np.float32)
    scale = np.array([s.scale for s in codec.state.numerical], dtype=np.float32)
    measured = stays.observed
    scaled = np.clip((stays.numerical - center) / scale, -Z_LIMIT, Z_LIMIT)
    sizes = tuple(len(f.categories) + 1 for f in codec.schema.categorical)
    missing = np.array(sizes, dtype=np.int64) - 1
    codes = np.where(stays.categorical < 0, missing, stays.categorical).astype(np.int16)
    # What is constant in a stay counts once: repeated at every step, it would outweigh the whole course.
    measured[:, 1:, [feature.static for feature in codec.schema.numerical]] = False
    for j, feature in enumerate(codec.schema.categorical):
        if feature.static:
            codes[:, 1:, j] = missing[j]
    return Records(np.where(measured, scaled, np.float32(0)).astype(np.float32), measured, codes, sizes)


def _vital_side(side: Side, j: int) -> Side:
    records = side.records.vital(j)
    told = records.told()
    enough = told >= MIN_TOLD
    return Side(records, told, side.labels, side.groups).take(enough)


def _view(train: Side, holdout: Side, synthetic: Side, *, effort: Effort, seed: int) -> View:
    n_real = max(len(train) + len(holdout), 1)
    affordable = min(effort.pairs / n_real, effort.products / (n_real * max(synthetic.records.width, 1)))
    limit = max(MIN_ROWS, int(affordable))
    n_holdout = min(len(holdout), max(limit // 2, limit - len(train)))
    return View(
        train,
        holdout,
        synthetic,
        rows=_rows(len(synthetic), limit, seed),
        train_rows=_rows(len(train), limit - n_holdout, seed + 1),
        holdout_rows=_rows(len(holdout), n_holdout, seed + 2),
        effort=effort,
        seed=seed,
    )


def _rows(n: int, limit: int, seed: int) -> Codes:
    """`limit` random rows of `n` in their order; all of them where there are no more."""
    return np.sort(np.random.default_rng(seed).permutation(n)[:limit]).astype(np.int64)
