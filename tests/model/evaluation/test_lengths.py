import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from model.data.codec import Codec
from model.data.stays import Stays
from model.evaluation.aggregates import aggregate, safe_aggregates
from model.evaluation.distributions import describe, feature_reports
from model.evaluation.lengths import Lengths, compared_lengths, length_shares, real_lengths, stay_length, told_lengths
from model.evaluation.reference import reference_statistics
from model.evaluation.render import render_html
from model.evaluation.report import evaluate
from model.evaluation.space import NotAvailable, sequences, to_table
from model.spec.report import EvaluationOptions
from model.spec.schema import Schema

OPTIONS = EvaluationOptions(metrics=("stay_length", "missing_rate_mae", "missing_runs", "total_variation"))


@pytest.fixture(scope="module")
def ragged_schema(ward_schema: Schema) -> Schema:
    return ward_schema.model_copy(update={"variable_length": True})


def ending(stays: Stays, lengths: npt.ArrayLike) -> Stays:
    return dataclasses.replace(stays, lengths=np.broadcast_to(lengths, len(stays)).astype(np.int64)).ended()


def ragged(draw: Callable[..., Stays], n: int, seed: int, *, death_ends: bool = True) -> Stays:
    """Stays of 3 to 8 steps; those that end in death of 1 to 3."""
    stays, rng = draw(n, seed), np.random.default_rng(seed + 100)
    short = (stays.labels[:, 0] == 1) & death_ends
    return ending(stays, np.where(short, rng.integers(1, 4, n), rng.integers(3, 9, n)))


def compared(subject: npt.ArrayLike, training: npt.ArrayLike, draw: Callable[..., Stays]) -> float:
    a, b = (ending(draw(40, 0), lengths) for lengths in (subject, training))
    return stay_length(Lengths(length_shares(a), length_shares(b)))


def test_equal_lengths_have_no_distance_and_disjoint_ones_have_1(ward: Callable[..., Stays]) -> None:
    assert compared(np.tile([2, 5], 20), np.repeat([2, 5], 20), ward) == 0
    assert compared(3, 6, ward) == 1
    assert compared(np.tile([2, 5], 20), 5, ward) == 0.5
    assert compared(np.tile([2, 8], 20), np.tile([7, 8], 20), ward) == 0.5


def test_without_ends_there_is_no_figure(ward: Callable[..., Stays], ward_schema: Schema) -> None:
    with pytest.raises(NotAvailable, match="full length"):
        compared(8, 8, ward)
    with pytest.raises(NotAvailable, match="not known"):
        stay_length(None)
    assert real_lengths(ward(40, 0), None, ward_schema) is None
    assert compared_lengths(ward(40, 0), None, ward_schema) is None


def test_lengths_are_told_by_label_and_compared_when_the_real_stays_are_gone(
    ward: Callable[..., Stays], ragged_schema: Schema
) -> None:
    known = real_lengths(ragged(ward, 1000, 0), ragged(ward, 1000, 1), ragged_schema)
    assert known is not None
    assert known.training is not None
    assert known.holdout_distance is not None
    assert known.holdout_distance < 0.06
    good = compared_lengths(ragged(ward, 1000, 2), known, ragged_schema)
    blind = compared_lengths(ragged(ward, 1000, 2, death_ends=False), known, ragged_schema)
    assert good is not None
    assert blind is not None
    of_dead = {one.distance is not None and one.distance > 0.5 for one in blind.by_label if one.label == "death"}
    assert of_dead == {True, False}  # only the dead last too long
    assert all(one.distance is not None and one.distance < 0.1 for one in good.by_label)
    told = told_lengths(good, "synthetic")
    assert stay_length(told) == good.distance
    assert told_lengths(known, "synthetic") is None
    assert stay_length(told_lengths(known, "holdout")) < 0.1


def test_what_comes_after_the_end_is_absent_and_not_missing(
    ward: Callable[..., Stays], ward_schema: Schema, ragged_schema: Schema
) -> None:
    """Stays that all end after 4 of 8 steps are those of a table of 4 steps."""
    stays = ending(ward(300, 0), 4)
    first = Stays(stays.numerical[:, :4], stays.categorical[:, :4], stays.labels)
    plain = Codec.fit(first, ward_schema)
    codec = Codec(plain.state.model_copy(update={"data_schema": ragged_schema}))
    table, short = to_table(stays, codec), to_table(first, plain)
    for summarise in (aggregate, safe_aggregates):
        a, b = summarise(table), summarise(short)
        for name in b.frequencies:
            np.testing.assert_allclose(a.frequencies[name], b.frequencies[name])
            np.testing.assert_allclose(a.transitions[name], b.transitions[name])
        np.testing.assert_allclose(a.correlation, b.correlation, atol=1e-6)
        np.testing.assert_allclose(a.acf[:, :3], b.acf, atol=1e-6)
        assert np.isnan(a.acf[:, 3:]).all()
        np.testing.assert_allclose(a.co_missing, b.co_missing, atol=1e-6)
    features = zip(feature_reports(stays, None, codec), feature_reports(first, None, plain), strict=True)
    for column, (one, other) in zip((0, 0, 1), features, strict=True):
        for real in (True, False):
            c, d = (describe(s, other, column=column, real=real) for s in (stays, first))
            assert c.missing_by_step == (*d.missing_by_step, None, None, None, None)
            assert c.model_copy(update={"missing_by_step": ()}) == d.model_copy(update={"missing_by_step": ()})
        assert one.training is not None
        assert other.training is not None
        assert one.training.shares == other.training.shares


def test_classifiers_see_until_when_a_stay_lasts(ward: Callable[..., Stays], ragged_schema: Schema) -> None:
    stays = ragged(ward, 60, 0)
    inputs = sequences(to_table(stays, Codec.fit(stays, ragged_schema)))
    np.testing.assert_array_equal(inputs[:, :, -1] == 1, stays.inside)
    assert (inputs[~stays.inside] == 0).all()


@pytest.mark.parametrize("gone", [False, True])
def test_the_report_judges_lengths_beside_the_holdout(
    ward: Callable[..., Stays], ragged_schema: Schema, *, gone: bool
) -> None:
    train, holdout = ragged(ward, 800, 0), ragged(ward, 800, 1)
    codec = Codec.fit(train, ragged_schema)
    reference = reference_statistics(codec, train, holdout, options=OPTIONS)
    real = (None, None) if gone else (train, holdout)
    for synthetic, verdict in ((ragged(ward, 800, 2), "like_real"), (ward(800, 2), "different")):
        stays = synthetic if synthetic.lengths is not None else ending(synthetic, 8)
        report = evaluate(
            codec=codec, train=real[0], holdout=real[1], synthetic=stays, reference=reference, options=OPTIONS
        )
        scores = {score.name: score for score in report.scores}
        assert scores["stay_length"].verdict == verdict
        assert scores["stay_length"].holdout_value is not None
        assert scores["stay_length"].holdout_value < 0.08
        assert scores["missing_rate_mae"].verdict != "different"  # a stay that has ended misses nothing
        assert report.length is not None
        assert {one.label for one in report.length.by_label} == {"death", "sex"}
        page = render_html(report)
        assert "How long stays last" in page
        assert "death 1" in page
