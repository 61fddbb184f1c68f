from collections.abc import Callable

import numpy as np
import pytest

from model.data.codec import Codec
from model.data.split import split
from model.data.stays import Stays
from model.evaluation.comparison import Comparison, compared
from model.evaluation.fidelity_tasks import fidelity_tasks
from model.evaluation.fidelity_values import VALUE_METRICS
from model.evaluation.reference import ReferenceStatistics, reference_statistics
from model.evaluation.space import Figure, NotAvailable, no_tick
from model.spec.report import EvaluationOptions, MetricName
from tests.model.evaluation.odd_tables import odd

NAMES = {*VALUE_METRICS, "dtw", "mmd"}
RARE = {"tails"}  # without the stays, 11 of them must be beyond the rarest 0.1 %: more than most tests have
FIDELITY = EvaluationOptions(metrics=(*VALUE_METRICS, "dtw", "mmd"))
EXACT = ("marginal_ks", "wasserstein", "total_variation", "correlation_mae", "transition_distance", "acf_mse")


def ruled(codec: Codec) -> Codec:
    schema = codec.schema.model_copy(update={"rules": ("temperature <= heart_rate",)})
    return Codec(codec.state.model_copy(update={"data_schema": schema}))


def sides_of(
    codec: Codec,
    train: Stays | None,
    holdout: Stays | None,
    synthetic: Stays,
    *,
    reference: ReferenceStatistics | None = None,
    imputed: bool | None = None,
) -> Comparison:
    options = EvaluationOptions()
    return compared(codec, train, holdout, synthetic, reference=reference, options=options, imputed=imputed)


def figures(sides: Comparison) -> dict[MetricName, Figure | str]:
    found: dict[MetricName, Figure | str] = {}
    for name, compute in fidelity_tasks(sides, sides.codec):
        try:
            found[name] = compute(no_tick)
        except NotAvailable as error:
            found[name] = str(error)
    return found


def values(sides: Comparison) -> dict[str, float]:
    return {name: found.value for name, found in figures(sides).items() if isinstance(found, Figure)}


def test_every_figure_of_real_stays_is_near_the_holdouts(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    found = figures(sides_of(ruled(ward_codec), ward(600, 1), ward(400, 2), ward(400, 3)))
    assert found.keys() == NAMES
    for name, figure in found.items():
        assert isinstance(figure, Figure), name
        assert figure.holdout_value is not None, name
        assert figure.value == pytest.approx(figure.holdout_value, abs=0.3 if name in RARE else 0.06), name
        if name != "mmd":
            assert figure.low is not None
            assert figure.high is not None
            assert figure.low <= figure.value <= figure.high


def test_the_training_stays_themselves_are_ideal(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    stays = ward(300, 1)
    found = values(sides_of(ruled(ward_codec), stays, ward(100, 2), stays))
    assert {name: found[name] for name in EXACT} == pytest.approx(dict.fromkeys(EXACT, 0), abs=1e-9)
    rest = ("missing_rate_mae", "missing_runs", "co_missingness", "conditional_distance", "dtw")
    assert {name: found[name] for name in rest} == pytest.approx(dict.fromkeys(rest, 0), abs=1e-9)
    assert found["rules"] == 1


def test_the_order_of_the_stays_changes_nothing(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    train, holdout, synthetic = ward(200, 1), ward(100, 2), ward(150, 3)
    one = values(sides_of(ward_codec, train, holdout, synthetic))
    order = np.random.default_rng(0).permutation(150)
    other = values(sides_of(ward_codec, train, holdout, synthetic.take(order)))
    assert one.keys() == other.keys()
    assert {k: v for k, v in one.items() if k != "mmd"} == pytest.approx(
        {k: v for k, v in other.items() if k != "mmd"}, abs=1e-9
    )


def noisy(stays: Stays, size: float, *, gaps: bool = True) -> Stays:
    """Values further out, `gaps` in both features at once, another rhythm: more of each with `size`."""
    rng = np.random.default_rng(5)
    shape = stays.numerical.shape
    numerical = (stays.numerical + rng.normal(0, 10 * size, shape)).astype(np.float32)
    numerical[rng.random(shape[:2]) < size / 2 * gaps] = np.nan
    categorical = np.where(rng.random(stays.categorical.shape) < size, 0, stays.categorical)
    return Stays(numerical, categorical, stays.labels)


def test_planted_noise_makes_every_figure_worse(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    train, synthetic = ward(400, 1), ward(300, 3)
    found = [values(sides_of(ruled(ward_codec), train, None, noisy(synthetic, size))) for size in (0.1, 0.4, 0.9)]
    for name in NAMES - RARE - {"rules", "acf_mse"}:
        assert found[0][name] < found[1][name] < found[2][name], name
    complete = [noisy(synthetic, size, gaps=False) for size in (0.1, 0.4, 0.9)]  # filled gaps have inertia of their own
    courses = [values(sides_of(ward_codec, train, None, stays))["acf_mse"] for stays in complete]
    assert courses[0] < courses[1] < courses[2]
    assert found[0]["rules"] >= found[1]["rules"] > found[2]["rules"]


def test_swapped_labels_show_only_in_the_conditional_distance(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    train, synthetic = ward(1000, 1), ward(1000, 3)
    labels = np.stack([1 - synthetic.labels[:, 0], synthetic.labels[:, 1]], axis=1)
    swapped = Stays(synthetic.numerical, synthetic.categorical, labels)
    one, other = (values(sides_of(ward_codec, train, None, stays)) for stays in (synthetic, swapped))
    assert one["marginal_ks"] == other["marginal_ks"]
    assert one["wasserstein"] == other["wasserstein"]
    assert other["conditional_distance"] > one["conditional_distance"] + 0.08


def test_planted_outliers_show_in_the_tails(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    train, synthetic = ward(8000, 1), ward(8000, 3)
    wild = synthetic.numerical.copy()
    wild[::100, 0, 1] = 400
    one, other = (
        values(sides_of(ward_codec, train, None, Stays(numerical, synthetic.categorical, synthetic.labels)))
        for numerical in (synthetic.numerical, wild)
    )
    assert one["tails"] < 0.2
    assert other["tails"] > one["tails"] + 3
    assert other["marginal_ks"] == pytest.approx(one["marginal_ks"], abs=0.002)


def test_the_interval_has_the_width_that_repeated_draws_have(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    train = ward(1000, 1)
    found = [figures(sides_of(ward_codec, train, None, ward(400, seed))) for seed in range(20, 40)]
    for name in ("marginal_ks", "missing_rate_mae", "wasserstein", "acf_mse", "total_variation"):
        drawn = [figure[name] for figure in found]
        scatter = float(np.std([f.value for f in drawn if isinstance(f, Figure)], ddof=1))
        error = np.mean([(f.high - f.value) / 1.96 for f in drawn if isinstance(f, Figure) and f.high is not None])
        # A squared difference that is chance alone shrinks faster with the number of stays: the interval is too wide.
        assert 0.4 * scatter < error < (4 if name == "acf_mse" else 2.5) * scatter, name


def test_few_stays_have_no_interval(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    found = figures(sides_of(ward_codec, ward(300, 1), None, ward(199, 3)))["marginal_ks"]
    assert isinstance(found, Figure)
    assert (found.low, found.high) == (None, None)


@pytest.fixture(scope="module")
def reference(ward: Callable[..., Stays], ward_codec: Codec) -> ReferenceStatistics:
    codec = ruled(ward_codec)
    kept = reference_statistics(codec, ward(400, 1), ward(300, 2), options=FIDELITY)
    return ReferenceStatistics.model_validate_json(kept.model_dump_json())


def test_without_the_dataset_what_is_kept_gives_the_same_figures(
    reference: ReferenceStatistics, ward: Callable[..., Stays], ward_codec: Codec
) -> None:
    codec, synthetic = ruled(ward_codec), ward(300, 3)
    whole = figures(sides_of(codec, ward(400, 1), ward(300, 2), synthetic))
    gone = figures(sides_of(codec, None, None, synthetic, reference=reference))
    assert {name for name, found in gone.items() if isinstance(found, str)} == {"dtw", "mmd", "tails"}
    for name in set(VALUE_METRICS) - {"wasserstein"} - RARE:
        one, other = whole[name], gone[name]
        assert isinstance(one, Figure)
        assert isinstance(other, Figure)
        assert other.value == pytest.approx(one.value, abs=0.02), name
    binned = gone["wasserstein"]
    assert isinstance(binned, Figure)
    assert binned.sample is not None
    assert "bins" in binned.sample
    assert binned.holdout_value is not None


def test_what_is_kept_of_the_holdout_is_what_it_scores(
    reference: ReferenceStatistics, ward: Callable[..., Stays], ward_codec: Codec
) -> None:
    codec = ruled(ward_codec)
    found = figures(sides_of(codec, ward(400, 1), ward(300, 2), ward(300, 3)))
    for name, figure in found.items():
        floor = reference.floor(name)
        if name in RARE:  # exact with the stays; of what may be told of them there is none
            assert floor is None
            continue
        assert isinstance(figure, Figure)
        assert floor is not None, name
        assert floor.value == pytest.approx(figure.holdout_value), name


def test_filled_values_have_no_gaps_to_compare(
    reference: ReferenceStatistics, ward: Callable[..., Stays], ward_codec: Codec
) -> None:
    codec, filled = ruled(ward_codec), ward_codec.fill(ward(300, 3))
    found = figures(sides_of(codec, ward(400, 1), ward(300, 2), filled, reference=reference, imputed=True))
    gaps = {"missing_rate_mae", "missing_runs", "co_missingness"}
    assert {name for name, figure in found.items() if isinstance(figure, str)} == gaps
    assert {found[name] for name in gaps} == {"missing values were filled in"}  # type: ignore[index]
    gone = figures(sides_of(codec, None, None, filled, reference=reference, imputed=True))
    kept = {name for name, figure in gone.items() if isinstance(figure, Figure)}
    assert kept == {"total_variation", "correlation_mae", "transition_distance", "acf_mse"}


def test_an_old_reference_leaves_out_what_it_did_not_measure(
    reference: ReferenceStatistics, ward: Callable[..., Stays], ward_codec: Codec
) -> None:
    old = reference.model_copy(
        update={
            "version": 1,
            "portrait": None,
            "co_missing": (),
            "features": tuple(
                feature.model_copy(update={"acf": {}, "trajectories": (), "by_label": (), "holdout_wasserstein": None})
                for feature in reference.features
            ),
        }
    )
    codec = ruled(ward_codec)
    gone = figures(sides_of(codec, None, None, ward(300, 3), reference=old))
    missing = {name for name, figure in gone.items() if isinstance(figure, str)}
    assert missing == {"dtw", "mmd", "wasserstein", "tails", "conditional_distance", "co_missingness"}
    again = figures(sides_of(codec, ward(400, 1), ward(300, 2), ward(300, 3), reference=old))
    assert not {name for name, figure in again.items() if isinstance(figure, str)}


def test_without_anything_real_only_the_rules_can_be_judged(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    found = figures(sides_of(ruled(ward_codec), None, None, ward(300, 3)))
    assert {name for name, figure in found.items() if isinstance(figure, Figure)} == {"rules"}
    assert found["tails"] == "the model's dataset is not stored here"


KINDS = ("no numerical", "no categorical", "no labels", "one step", "constant", "never measured", "one class")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [0, 1, 2, 60, 250])
@pytest.mark.parametrize("imputed", [False, True])
def test_odd_tables_have_a_figure_or_a_reason(kind: str, n: int, imputed: bool) -> None:
    schema, stays = odd(kind, 250, with_rule=True)
    real = split(stays, holdout_fraction=0.2, seed=0)
    codec = Codec.fit(real.train, schema)
    found = figures(sides_of(codec, real.train, real.holdout, odd(kind, n, with_rule=True)[1], imputed=imputed))
    assert found.keys() == NAMES
    for name, figure in found.items():
        told = [figure] if isinstance(figure, str) else [figure.value, figure.low, figure.high, figure.holdout_value]
        assert all(one is None or one == one for one in told), name  # no NaN


@pytest.mark.parametrize("n", [2, 3, 12])
def test_few_real_stays_have_a_figure_or_a_reason(n: int, ward: Callable[..., Stays], ward_codec: Codec) -> None:
    found = figures(sides_of(ruled(ward_codec), ward(n, 1), ward(n, 2), ward(40, 3)))
    assert isinstance(found["missing_rate_mae"], Figure) == (n >= 11)
    assert isinstance(found["total_variation"], Figure)


@pytest.mark.parametrize(("n", "is_told"), [(1, False), (10, False), (11, True)])
def test_few_synthetic_stays_have_no_figure(
    n: int, is_told: bool, ward: Callable[..., Stays], ward_codec: Codec
) -> None:
    train = ward(300, 1)
    found = figures(sides_of(ruled(ward_codec), train, ward(100, 2), train.take(slice(n))))
    for name in set(VALUE_METRICS) - {"conditional_distance"}:
        assert isinstance(found[name], Figure) == is_told, name
        assert is_told or "fewer than 11 synthetic" in str(found[name])
    assert "at least 50" in str(found["dtw"])


def test_figure_and_floor_compare_the_same_tails(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    train, holdout, synthetic = ward(400, 1), ward(300, 2), ward(300, 3)
    holdout.numerical[10:, :, 0] = np.nan
    synthetic.numerical[::9, :, 0] = 60  # wild, where the holdout has nothing to compare
    found = figures(sides_of(ward_codec, train, holdout, synthetic))["tails"]
    assert isinstance(found, Figure)
    assert found.sample == "2 of 4 tails"
    assert found.value < 1
    assert found.holdout_value is not None
    unit = float(np.std(train.numerical[:, :, 1].astype(np.float64)))
    ends = [np.quantile(side.numerical[:, :, 1].astype(np.float64), [0.001, 0.999]) for side in (holdout, train)]
    assert found.holdout_value == pytest.approx(np.abs(ends[0] - ends[1]).mean() / unit)


def test_gaps_of_a_table_equal_to_the_holdout_are_its_floor(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    train, holdout = ward(300, 1), ward(60, 2)
    holdout.numerical[:5, :, 1] = np.nan  # so few that a report rounds them
    found = figures(sides_of(ward_codec, train, holdout, holdout, imputed=False))
    for name in ("missing_runs", "missing_rate_mae", "tails"):
        figure = found[name]
        assert isinstance(figure, Figure)
        assert figure.value == pytest.approx(figure.holdout_value), name
