import numpy as np
import pytest

from model.data.codec import Codec
from model.data.stays import Stays
from model.evaluation.privacy.membership import (
    attribute_gain,
    membership_auc,
    membership_density_auc,
    membership_excess,
    standard_error,
)
from model.evaluation.space import NotAvailable, no_tick
from tests.model.evaluation.privacy.conftest import joined, noisy
from tests.model.evaluation.privacy.test_copies import space_of


def test_who_was_not_learned_from_cannot_be_told(
    train: Stays, holdout: Stays, honest: Stays, unit_codec: Codec
) -> None:
    view = space_of(unit_codec, train, holdout, honest).view()
    for attack in (membership_auc, membership_density_auc):
        figure = attack(view, threshold=0.55, tick=no_tick)
        assert (figure.gate_low or 0) < 0.5
        assert figure.value == pytest.approx(0.5, abs=0.05)
    excess = membership_excess(view, threshold=0.01, tick=no_tick)
    assert (excess.low or 0) < 0 < (excess.high or 0)
    gain = attribute_gain(view, label=0, n_categories=2, threshold=0.05, tick=no_tick)
    assert (gain.low or 0) < 0 < (gain.high or 0)


def test_copying_everybody_gives_everybody_away(train: Stays, holdout: Stays, unit_codec: Codec) -> None:
    view = space_of(unit_codec, train, holdout, noisy(train, 0.1, unit_codec)).view()
    for attack in (membership_auc, membership_density_auc):
        assert attack(view, threshold=0.55, tick=no_tick).value > 0.99
    assert membership_excess(view, threshold=0.01, tick=no_tick).value > 0.95
    assert attribute_gain(view, label=0, n_categories=2, threshold=0.05, tick=no_tick).value > 0.2


def test_the_excess_is_the_share_of_members_copied(
    train: Stays, holdout: Stays, honest: Stays, unit_codec: Codec
) -> None:
    mixed = joined(honest, noisy(train.take(slice(120)), 0.1, unit_codec))
    figure = membership_excess(space_of(unit_codec, train, holdout, mixed).view(), threshold=0.01, tick=no_tick)
    assert figure.value == pytest.approx(0.1, abs=0.02)
    assert (figure.gate_low or 0) > 0.05


def test_members_of_one_category_are_attacked_alone(
    train: Stays, holdout: Stays, honest: Stays, unit_codec: Codec
) -> None:
    dead = train.labels[:, 0] == 1
    view = space_of(unit_codec, train, holdout, joined(honest, noisy(train.take(dead), 0.1, unit_codec))).view()
    of_dead = membership_auc(view, about=(0, 1), threshold=0.55, tick=no_tick)
    of_alive = membership_auc(view, about=(0, 0), threshold=0.55, tick=no_tick)
    assert of_dead.value > 0.95
    assert of_alive.value < 0.6
    assert of_dead.sample == f"{dead.sum():,} training and {(holdout.labels[:, 0] == 1).sum():,} holdout stays"


def test_without_enough_others_there_is_no_attack(
    train: Stays, holdout: Stays, honest: Stays, unit_codec: Codec
) -> None:
    for aside, reason in ((None, "put aside"), (holdout.take(slice(49)), "fewer than 50")):
        view = space_of(unit_codec, train, aside, honest).view()
        for attack in (membership_auc, membership_density_auc, membership_excess):
            with pytest.raises(NotAvailable, match=reason):
                attack(view, threshold=0.5, tick=no_tick)


def test_a_small_holdout_does_not_say_what_is_rare(
    train: Stays, holdout: Stays, honest: Stays, unit_codec: Codec
) -> None:
    view = space_of(unit_codec, train, holdout.take(slice(199)), honest).view()
    with pytest.raises(NotAvailable, match="fewer than 200 holdout stays"):
        membership_excess(view, threshold=0.01, tick=no_tick)


def test_the_standard_error_of_a_guess_is_that_of_the_rank_sum() -> None:
    n, m = 200, 300
    assert standard_error(0.5, n, m) == pytest.approx(np.sqrt((n + m + 1) / (12 * n * m)), rel=0.01)
