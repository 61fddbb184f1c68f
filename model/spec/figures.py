"""What a report shows besides its scores: the data of every table and plot, so that JSON and page say the same.

Nothing here rests on fewer than 11 real stays: null, 0 or 1 stand where an exact figure would.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from model.spec.base import Spec

Side = Literal["synthetic", "training", "holdout"]
Curve = tuple[float | None, ...]
Matrix = tuple[tuple[float | None, ...], ...]

RUN_LENGTHS = ("1", "2", "3-4", "5-8", "9-16", "17+")
"""Classes of the number of time steps in a row without a value."""


class Distribution(Spec):
    """One feature in one table. `shares` follows the feature's bins or categories and sums to 1 (0 without values).

    `quantiles` (numerical features) maps "0.1", "5", "25", "50", "75", "95", "99.9" to values in the feature's unit;
    null where one rests on too few stays. Missing rates of real stays are told as 0 or 1 where fewer than 11 stays
    are between; `missing_rate` and `n_values` follow from `missing_by_step` as it is told. `missing_runs` are shares
    of the gaps by their length, in the classes of RUN_LENGTHS; empty where nothing is missing. After the end of a stay
    nothing is missing: rates are those among the stays that last until then, null where there are none (of real
    stays: fewer than 11).
    """

    n_values: int = Field(ge=0)
    shares: tuple[float, ...]
    quantiles: dict[str, float | None] = Field(default_factory=dict)
    missing_rate: float
    missing_by_step: Curve
    missing_runs: tuple[float, ...] = ()


class Trajectory(Spec):
    """The course of a numerical feature in the stays of one category of a label (of all stays: both None).

    `low`, `median` and `high` are the quartiles of the measured values at each time step, in the feature's unit; null
    where too few stays have a value.
    """

    side: Side
    label: str | None = None
    category: str | None = None
    low: Curve
    median: Curve
    high: Curve


class Conditional(Spec):
    """A feature in the stays of one category of a label: its mean (numerical) or shares of its categories, per table.

    `distance` is between synthetic and training stays of that category (KS on the feature's bins, or TVD), and
    `holdout_distance` between holdout and training; null where a table has too few stays of it. `edges` are those
    of its own bins: the feature's, merged where a category of the label has fewer than 11 stays in one. Of the training
    stays of a category, neither the quantiles "0.1" and "99.9" nor `missing_runs` are told.
    """

    label: str
    category: str
    n_synthetic: int
    edges: tuple[float, ...] = ()
    synthetic: Distribution | None = None
    training: Distribution | None = None
    distance: float | None = None
    holdout_distance: float | None = None


class FeatureReport(Spec):
    """One feature in the synthetic, training and holdout stays.

    Bin `i` of a numerical feature holds the values in [edges[i], edges[i + 1]); the first and the last bin also hold
    all values beyond. `distance` is between synthetic and training: the largest difference of cumulative shares
    (Kolmogorov-Smirnov on the bins), for a categorical feature half the sum of differences of shares (TVD).
    `wasserstein` is the earth mover's distance of a numerical feature's values from the training stays' in units of
    their standard deviation. `acf` are autocorrelations at lags 1, 2, ... per table. A `static` feature is constant
    within a stay: it has none, and its gaps are whole stays.
    """

    name: str
    type: Literal["numerical", "categorical"]
    unit: str | None = None
    static: bool = False
    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    synthetic: Distribution | None = None
    training: Distribution | None = None
    holdout: Distribution | None = None
    distance: float | None = None
    holdout_distance: float | None = None
    wasserstein: float | None = None
    holdout_wasserstein: float | None = None
    acf: dict[Side, Curve] = Field(default_factory=dict)
    trajectories: tuple[Trajectory, ...] = ()
    by_label: tuple[Conditional, ...] = ()


class LabelReport(Spec):
    """Stays per category of a label: asked for, obtained, and the shares in the training stays."""

    name: str
    asked: dict[str, int] | None = None
    obtained: dict[str, int]
    training_shares: dict[str, float] | None = None


class Correlations(Spec):
    """A symmetric matrix between features, synthetic and training; null where fewer than 11 stays can tell.

    Of values: Pearson correlations over all stays and steps, 0 for a constant feature. Of missingness marks: how
    often both features are missing at the same step beyond chance (phi coefficient).
    """

    names: tuple[str, ...]
    synthetic: Matrix
    training: Matrix | None = None


class Transitions(Spec):
    """`P(next = column | now = row)` of a categorical channel (a feature, or whether one is measured)."""

    name: str
    categories: tuple[str, ...]
    synthetic: Matrix
    training: Matrix | None = None


class RuleReport(Spec):
    """Where a clinical rule of the schema holds: shares of the rows with both values, and of the stays with such a row.

    Null where no row, or too few real stays, can tell.
    """

    rule: str
    rows: dict[Side, float | None]
    stays: dict[Side, float | None]


class RocCurve(Spec):
    """A discriminator's true positive rates at false positive rates 0, 0.01, ..., 1, averaged over folds and seeds."""

    name: str
    true_positive_rates: tuple[float, ...] = Field(min_length=101, max_length=101)
    auc: float


class Projection(Spec):
    """Whole stays on the first two principal components of the training stays.

    `training` are shares of the training stays in the cells of a grid (rows: y, columns: x), 0 for cells of fewer
    than 11; `synthetic` likewise, exact. `x_edges` and `y_edges` are the grid's.
    """

    explained: tuple[float, float] = Field(description="share of the variance along x and y")
    x_edges: tuple[float, ...]
    y_edges: tuple[float, ...]
    synthetic: Matrix
    training: Matrix


class DistanceHistogram(Spec):
    """Distances to the closest record: shares of the synthetic stays per bin, to the training and the holdout stays.

    `holdout_to_training` is what chance alone does: shares of the holdout stays, to the training stays.
    """

    title: str
    edges: tuple[float, ...]
    synthetic_to_training: tuple[float, ...]
    synthetic_to_holdout: tuple[float, ...] = ()
    holdout_to_training: tuple[float, ...] = ()


class Augmentation(Spec):
    """T(S+R)TR: a classifier learns from `n_real` training and `n_synthetic` synthetic stays; its AUC on the holdout.

    `value` is the mean over seeds, with interval; `real_only` that of the same real stays without synthetic ones.
    """

    label: str
    n_real: int
    n_synthetic: int
    real_share: float = Field(description="of the training stays")
    value: float
    low: float
    high: float
    real_only: float
