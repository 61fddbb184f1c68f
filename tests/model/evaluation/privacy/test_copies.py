import numpy as np
import pytest

from model.data.codec import Codec
from model.data.stays import Stays
from model.evaluation.privacy import PrivacySpace, privacy_space
from model.evaluation.privacy.copies import exact_copies, near_copies
from model.evaluation.privacy.rarity import RARE, rarity_of
from model.evaluation.privacy.scans import halves, scans
from model.evaluation.space import Figure, NotAvailable
from model.spec.report import EvaluationOptions
from tests.model.evaluation.privacy.conftest import draw_stays, joined, moved, noisy


def spliced(stays: Stays, others: Stays, steps: slice) -> Stays:
    """The stays within `steps`, and others around them."""
    numerical, categorical = others.numerical.copy(), others.categorical.copy()
    numerical[:, steps], categorical[:, steps] = stays.numerical[:, steps], stays.categorical[:, steps]
    return Stays(numerical, categorical, others.labels)


def space_of(codec: Codec, train: Stays, holdout: Stays | None, synthetic: Stays) -> PrivacySpace:
    return privacy_space(
        codec, train=train, holdout=holdout, synthetic=synthetic, imputed=False, options=EvaluationOptions()
    )


def test_exact_copies_are_counted_wherever_they_come_from(
    train: Stays, holdout: Stays, honest: Stays, unit_codec: Codec
) -> None:
    mixed = joined(honest.take(slice(80)), train.take(slice(10)), holdout.take(slice(10)))
    figure = exact_copies(space_of(unit_codec, train, holdout, mixed).view(), threshold=0.0)
    assert figure.value == figure.low == figure.gate_low == pytest.approx(0.2)
    assert figure.holdout_value == 0.0


def test_a_changed_value_or_gap_is_no_exact_copy(train: Stays, holdout: Stays, unit_codec: Codec) -> None:
    first = train.take(slice(60))
    numerical = first.numerical.copy()
    numerical[:, 3, 0] = np.where(np.isnan(numerical[:, 3, 0]), 80.0, np.nan)
    changed = Stays(numerical, first.categorical, first.labels)
    view = space_of(unit_codec, train, holdout, changed).view()
    assert exact_copies(view, threshold=0.0).value == 0.0
    assert near_copies(view, threshold=0.0, scanned=False).value == pytest.approx(1.0, abs=0.01)


def test_doubles_among_real_stays_excuse_no_copies(train: Stays, holdout: Stays, unit_codec: Codec) -> None:
    doubled = joined(train, train.take(slice(600)))
    mixed = joined(draw_stays(400, 8), train.take(slice(300)))
    view = space_of(unit_codec, doubled, None, mixed).view()
    figure = exact_copies(view, threshold=0.0)
    assert figure.holdout_value == 0.0
    assert figure.gate_low == pytest.approx(3 / 7)
    assert (view.synthetic_to_real().ratio[400:] < 0.01).all()


def test_few_doubles_among_real_stays_are_told_as_five(
    train: Stays, holdout: Stays, honest: Stays, unit_codec: Codec
) -> None:
    """Of stays that tell little: of others, doubles count as one patient's."""

    def figure(n_flat: int) -> Figure:
        flat = Stays(
            np.full_like(train.numerical[:n_flat], 80.0),
            np.zeros_like(train.categorical[:n_flat]),
            train.labels[:n_flat],
        )
        real = joined(train.take(slice(n_flat, len(train))), flat)
        return exact_copies(space_of(unit_codec, real, holdout, honest).view(), threshold=0.0)

    two, ten, many = figure(2), figure(10), figure(20)
    n_real = len(train) + len(holdout)
    assert two == ten
    assert two.holdout_value == pytest.approx(5 / n_real)
    assert many.holdout_value == pytest.approx(20 / n_real)


def test_doubles_that_tell_little_excuse_as_many_synthetic_ones(train: Stays, unit_codec: Codec) -> None:
    some = train.take(slice(600))
    flat = Stays(np.full_like(some.numerical, 80.0), np.zeros_like(some.categorical), some.labels)
    figure = exact_copies(space_of(unit_codec, flat, None, flat.take(slice(100))).view(), threshold=0.0)
    assert figure.holdout_value == 1.0
    assert figure.gate_low == 0.0


def test_rarity_is_the_share_of_real_stays_as_close(
    train: Stays, holdout: Stays, honest: Stays, unit_codec: Codec
) -> None:
    rarity = rarity_of(space_of(unit_codec, train, holdout, honest).view())
    assert rarity.real_close.mean() == pytest.approx(RARE, abs=0.001)
    assert np.mean(rarity.rarity <= 0.1) == pytest.approx(0.1, abs=0.04)


def test_near_copies_grow_with_the_share_planted_and_fall_with_the_noise(
    train: Stays, holdout: Stays, honest: Stays, unit_codec: Codec
) -> None:
    def found(n: int, sd: float) -> float:
        mixed = joined(honest.take(slice(n, 400)), noisy(train.take(slice(n)), sd, unit_codec))
        return near_copies(space_of(unit_codec, train, holdout, mixed).view(), threshold=0.0, scanned=False).value

    shares = [found(n, 0.1) for n in (0, 20, 60, 200)]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(0.5, abs=0.02)
    fading = [found(100, sd) for sd in (0.1, 0.5, 2.0)]
    assert fading == sorted(fading, reverse=True)
    assert fading[-1] < 0.01


def test_what_a_generator_of_average_stays_draws_is_no_copy(train: Stays, holdout: Stays, unit_codec: Codec) -> None:
    numerical = np.full((300, *train.numerical.shape[1:]), np.nan, dtype=np.float32)
    numerical[:] = np.nanmean(train.numerical, axis=(0, 1))
    average = Stays(numerical, np.zeros((300, numerical.shape[1], 1), dtype=np.int64), np.zeros((300, 1), np.int64))
    assert near_copies(space_of(unit_codec, train, holdout, average).view(), threshold=0.0, scanned=True).value == 0.0


@pytest.mark.parametrize("kind", ["shifted", "measured in both", "one half"])
def test_each_search_finds_its_copies(kind: str, train: Stays, holdout: Stays, unit_codec: Codec) -> None:
    leaked = train.take(slice(100))
    if kind == "shifted":
        leaked = moved(leaked, -2)
    elif kind == "one half":
        leaked = spliced(leaked, draw_stays(len(leaked), 7), slice(6, 18))
    else:
        numerical = leaked.numerical.copy()
        numerical[np.random.default_rng(0).random(numerical.shape) < 0.3] = np.nan
        leaked = Stays(numerical, leaked.categorical, leaked.labels)
    found = scans(space_of(unit_codec, train, holdout, leaked).view())
    (rarity,) = (rarity for name, (_, rarity) in found.items() if kind in name)
    assert rarity.close.mean() > 0.9


def test_copies_filled_in_by_another_rule_are_found(train: Stays, holdout: Stays, unit_codec: Codec) -> None:
    leaked = train.take(slice(200))
    filled = np.where(np.isnan(leaked.numerical), np.nanmean(leaked.numerical, axis=1, keepdims=True), leaked.numerical)
    space = privacy_space(
        unit_codec,
        train=train,
        holdout=holdout,
        synthetic=Stays(filled, leaked.categorical, leaked.labels),
        imputed=True,
        options=EvaluationOptions(),
    )
    assert near_copies(space.view(), threshold=0.0, scanned=True).value > 0.9


def test_too_few_real_stays_give_a_reason(train: Stays, honest: Stays, unit_codec: Codec) -> None:
    view = space_of(unit_codec, train.take(slice(49)), None, honest).view()
    with pytest.raises(NotAvailable, match="fewer than 50 real stays"):
        near_copies(view, threshold=0.0, scanned=False)


@pytest.mark.parametrize(
    ("n_steps", "starts", "width"), [(4, [0, 1, 2], 2), (24, [0, 6, 12], 12), (25, [0, 6, 12], 13)]
)
def test_halves_are_the_first_the_middle_and_the_last(n_steps: int, starts: list[int], width: int) -> None:
    assert [steps.start for steps in halves(n_steps)] == starts
    assert {steps.stop - steps.start for steps in halves(n_steps)} == {width}
