import numpy as np
import pytest

from model.data.codec import Codec
from model.data.stays import Stays
from model.evaluation.privacy.closest import dcr_share, dcr_tail_share, nnaa_loss, nndr
from model.evaluation.privacy.view import View
from model.evaluation.space import NotAvailable
from tests.model.evaluation.privacy.conftest import draw_stays, joined, noisy
from tests.model.evaluation.privacy.test_copies import space_of


@pytest.fixture(scope="module")
def fair(train: Stays, holdout: Stays, honest: Stays, unit_codec: Codec) -> View:
    return space_of(unit_codec, train, holdout, honest).view()


def test_stays_of_neither_side_are_as_close_to_both(fair: View) -> None:
    for figure in (dcr_share(fair, threshold=0.55), dcr_tail_share(fair, threshold=0.65)):
        assert figure.low is not None
        assert figure.high is not None
        assert figure.low < 0.5 < figure.high
    loss = nnaa_loss(fair, threshold=0.05)
    assert loss.low is not None
    assert loss.low < 0 < (loss.high or 0)
    ratio = nndr(fair)
    assert ratio.value == pytest.approx(ratio.holdout_value, abs=0.02)


@pytest.mark.parametrize("source", ["train", "holdout"])
def test_copies_of_one_side_are_closest_to_it(source: str, train: Stays, holdout: Stays, unit_codec: Codec) -> None:
    copied = noisy((train if source == "train" else holdout).take(slice(400)), 0.2, unit_codec)
    view = space_of(unit_codec, train, holdout, copied).view()
    share, loss = dcr_share(view, threshold=0.55).value, nnaa_loss(view, threshold=0.05).value
    assert share == pytest.approx(1.0 if source == "train" else 0.0, abs=0.05)
    assert loss > 0.1 if source == "train" else loss < -0.1
    ratio = nndr(view).value
    assert ratio < 0.5 if source == "train" else ratio > 0.8


def test_the_closest_stays_show_what_the_average_hides(
    train: Stays, holdout: Stays, honest: Stays, unit_codec: Codec
) -> None:
    mixed = joined(honest.take(slice(50, None)), train.take(slice(50)))
    view = space_of(unit_codec, train, holdout, mixed).view()
    assert dcr_share(view, threshold=0.55).value < 0.55
    tail = dcr_tail_share(view, threshold=0.65)
    assert tail.value > 0.9
    assert (tail.gate_low or 0) > 0.65
    assert tail.sample == "the closest 50 synthetic stays"


def test_many_stays_with_one_closest_record_count_as_few(train: Stays, holdout: Stays, unit_codec: Codec) -> None:
    one = train.take(np.zeros(300, dtype=np.int64))
    figure = dcr_share(space_of(unit_codec, train, holdout, noisy(one, 0.05, unit_codec)).view(), threshold=0.55)
    assert figure.value == 1.0
    assert (figure.low or 0) < 0.1  # a single record that is close says nothing about the others


def test_stays_equally_close_to_both_sides_are_left_out(train: Stays, unit_codec: Codec) -> None:
    figure = dcr_share(space_of(unit_codec, train, train, draw_stays(100, 3)).view(), threshold=0.55)
    assert (figure.value, figure.low, figure.high) == (0.5, 0.0, 1.0)


def test_too_few_stays_give_a_reason(train: Stays, holdout: Stays, honest: Stays, unit_codec: Codec) -> None:
    with pytest.raises(NotAvailable, match="put aside"):
        dcr_share(space_of(unit_codec, train, None, honest).view(), threshold=0.55)
    with pytest.raises(NotAvailable, match="fewer than 50 stays in the holdout"):
        dcr_share(space_of(unit_codec, train, holdout.take(slice(49)), honest).view(), threshold=0.55)
    few = space_of(unit_codec, train, holdout, honest.take(slice(60))).view()
    with pytest.raises(NotAvailable, match="fewer than 100"):
        dcr_tail_share(few, threshold=0.5)
    who = np.arange(60) < 40
    with pytest.raises(NotAvailable, match="fewer than 50"):
        dcr_share(few, about=who, threshold=0.5)
    with pytest.raises(NotAvailable, match="fewer than 50"):
        space_of(unit_codec, train, holdout, honest.take(slice(49))).view()
